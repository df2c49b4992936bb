import { createHash, randomBytes } from 'node:crypto'

/** 256 random bits in base64url. */
const SHAPE = /^[A-Za-z0-9_-]{43}$/

export const newRefreshToken = (): string => randomBytes(32).toString('base64url')

/** What is stored of a token. Plain SHA-256 will do: there are 256 random bits to guess. */
export const hashRefreshToken = (token: string): Buffer => createHash('sha256').update(token).digest()

export const isRefreshToken = (token: string): boolean => SHAPE.test(token)
