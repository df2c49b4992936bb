import { type Timestamp, timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt'

const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/

/** Reads an RFC 3339 time; undefined when it is none. Digits below the millisecond are cut off. */
export function parseTime(text: string): Timestamp | undefined {
  const match = RFC3339.exec(text)
  if (!match) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number)
  const [offsetHour, offsetMinute] = [Number(match[9] ?? 0), Number(match[10] ?? 0)]
  const ms = Number((match[7] ?? '').padEnd(3, '0').slice(0, 3))
  const localMs = Date.UTC(year, month - 1, day, hour, minute, second, ms)
  // Date.UTC carries 30 February over to March, and reads years below 100 as 19xx; RFC 3339 allows neither.
  const said = new Date(localMs)
  const real = year >= 100 && said.getUTCMonth() === month - 1 && said.getUTCDate() === day
  if (!real || hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59) return undefined
  const offsetMs = (offsetHour * 60 + offsetMinute) * 60_000
  const time = timestampFromMs(match[8] === '-' ? localMs + offsetMs : localMs - offsetMs)
  return isStorable(time) ? time : undefined
}

const SECONDS_MIN = BigInt(Date.UTC(100, 0, 1) / 1000)
const SECONDS_MAX = BigInt(Date.UTC(9999, 11, 31, 23, 59, 59) / 1000)

/** Whether a time lies in the years 100 to 9999: what lies outside has no RFC 3339 form, and databases refuse some of it. */
export const isStorable = ({ seconds, nanos }: Timestamp): boolean =>
  seconds >= SECONDS_MIN && seconds <= SECONDS_MAX && nanos >= 0 && nanos < 1_000_000_000

/** Writes a time as RFC 3339 in UTC with milliseconds. */
export const formatTime = (time: Timestamp): string => new Date(timestampMs(time)).toISOString()
