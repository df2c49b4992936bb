/** What the engine reads. */
export const COMMANDS = 'trading.orders.commands'
/** What it writes: the results of a command go to the partition that the command came from. */
export const RESULTS = 'trading.matches.executed'

/** The group that the engine's processes share the commands in. */
export const GROUP = 'matching.engine'

/** Headers that commands and results share, so that a record can be placed without being decoded. */
export const Header = { symbol: 'symbol', commandSeq: 'command_seq', orderId: 'order_id' } as const
