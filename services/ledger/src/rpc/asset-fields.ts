import { invalidField } from '@bitka/kernel'
import { AssetType } from '@bitka/proto/bitka/ledger/v1/ledger_pb'
import type { AssetType as AssetWord } from '../store/tables.ts'

const ICON_MAX = 500

export function readSymbol(symbol: string): string {
  if (!/^[A-Z0-9]{2,10}$/.test(symbol)) throw invalidField('symbol', 'must be 2 to 10 capital letters and digits')
  return symbol
}

export function readName(name: string): string {
  const length = [...name].length
  if (length < 1 || length > 64 || name.trim() === '') throw invalidField('name', 'must have 1 to 64 characters')
  if (name.includes('\u0000')) throw invalidField('name', 'must not contain a NUL character')
  return name
}

export function readType(type: AssetType): AssetWord {
  if (type === AssetType.CRYPTO) return 'CRYPTO'
  if (type === AssetType.FIAT) return 'FIAT'
  throw invalidField('type', 'must be CRYPTO or FIAT')
}

export function readDecimals(decimals: number | undefined): number {
  if (decimals === undefined || decimals < 0 || decimals > 18) {
    throw invalidField('decimals', 'must be a whole number from 0 to 18')
  }
  return decimals
}

/** An icon comes over https or is one of our own; a page must not load anything else for us. */
export function readIconUrl(url: string | undefined): string | undefined {
  if (url === undefined || url === '') return undefined
  const isOurs = /^\/(?!\/)[\x21-\x7e]*$/.test(url)
  const isSecure = /^https:\/\/[\x21-\x7e]+$/.test(url) && URL.canParse(url)
  if (url.length > ICON_MAX || !(isOurs || isSecure))
    throw invalidField('icon_url', 'must be an https address or a path')
  return url
}
