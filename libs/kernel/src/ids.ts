import { v7 } from 'uuid'

/** A new id: UUIDv7 (RFC 9562), so that ids made later sort later and index pages stay warm. */
export const newId = (): string => v7()

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** True for the text form of any UUID. */
export const isUuid = (text: string): boolean => UUID.test(text)
