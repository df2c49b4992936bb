import type { Logger } from '@bitka/kernel'
import type { Db } from '@bitka/store'
import { MarketEngine } from '../domain/engine.ts'
import {
  ENGINE_VERSION,
  newestSnapshot,
  type Place,
  type StoredSnapshot,
  stateHashOf,
  symbolsOf,
} from '../store/snapshots.ts'
import { Market } from './market.ts'

/** The markets of a partition at their newest good snapshots, and where reading has to begin for the oldest of them. */
export async function restoreMarkets(
  db: Pick<Db, 'orm'>,
  partition: number,
  logger: Logger,
): Promise<Place & { markets: Market[] }> {
  const markets: Market[] = []
  const places: Place[] = []
  for (const symbol of await symbolsOf(db, partition)) {
    const restored = await restoreMarket(db, partition, symbol, logger)
    markets.push(restored.market)
    places.push(restored)
  }
  // A market without any snapshot began behind all of them: every run of snapshots has every market.
  const least = (offsets: bigint[]): bigint => offsets.reduce((a, b) => (b < a ? b : a), offsets[0] ?? 0n)
  return {
    markets,
    inputOffset: least(places.map(({ inputOffset }) => inputOffset)),
    outputOffset: least(places.map(({ outputOffset }) => outputOffset)),
  }
}

async function restoreMarket(
  db: Pick<Db, 'orm'>,
  partition: number,
  symbol: string,
  logger: Logger,
): Promise<Place & { market: Market }> {
  let before: number | undefined
  for (;;) {
    const stored = await newestSnapshot(db, partition, symbol, before)
    if (!stored) return { market: new Market(symbol), inputOffset: 0n, outputOffset: 0n }
    try {
      return { market: new Market(symbol, open(stored), stored.commandSeq), ...placeOf(stored) }
    } catch (error) {
      logger.error(
        { err: error, symbol, partition, commandSeq: stored.commandSeq },
        'a snapshot is broken; taking an older one',
      )
      before = stored.commandSeq
    }
  }
}

const placeOf = ({ inputOffset, outputOffset }: StoredSnapshot): Place => ({ inputOffset, outputOffset })

/** @throws Error when the snapshot is not whole, not ours, or not of the command that it says */
function open(stored: StoredSnapshot): MarketEngine {
  if (stored.engineVersion !== ENGINE_VERSION) throw new Error(`it is of engine version ${stored.engineVersion}`)
  if (Buffer.compare(stateHashOf(stored.state), stored.stateHash) !== 0) throw new Error('its hash is another')
  const engine = MarketEngine.restore(stored.state)
  const isSame =
    engine.lastSeq === stored.commandSeq &&
    engine.lastResultNumber === stored.resultNumber &&
    engine.bookSeq === stored.bookSeq
  if (!isSame) throw new Error(`it holds the state of command ${engine.lastSeq}`)
  return engine
}
