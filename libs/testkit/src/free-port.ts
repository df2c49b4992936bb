import { freePorts } from '@bitka/supervisor'

/** A port of 127.0.0.1 that was free a moment ago. Prefer port 0 where the program can tell which one it got. */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1)
  return port
}
