-- What the public may see of the markets, made from the results of the matching engine and from nothing else. Prices are whole
-- ticks and quantities whole lots, as the engine counts them; tick and lot never change once a market has had an order.

create table service_profile (
  only_row boolean primary key default true check (only_row),
  profile text not null check (profile in ('demo', 'production'))
);
grant select, insert on service_profile to :app_role;

-- How far the results of a market have been applied; moved in the commit of their effect. A market may have results before it
-- is defined (a refused order), so this is not part of markets. time: the engine's, never goes back.
create table positions (
  symbol text primary key,
  result_number bigint not null,
  command_seq bigint not null,
  book_seq bigint not null,
  trade_number bigint not null,
  snapshot_seq bigint not null,  -- the newest row of book_snapshots
  time timestamptz not null
) with (fillfactor = 50);
grant select, insert, update on positions to :app_role;

-- The definition that holds, with the status that holds. Sizes and limits are decimal strings as operators wrote them.
create table markets (
  symbol text primary key,
  base_asset text not null,
  quote_asset text not null,
  base_decimals int not null,
  quote_decimals int not null,
  tick_size text not null,
  lot_size text not null,
  min_quantity text not null,
  max_quantity text not null,
  min_notional text not null,
  price_band_bps int not null,
  maker_fee_bps int not null,
  taker_fee_bps int not null,
  status smallint not null
);
grant select, insert, update on markets to :app_role;

-- One row a trade; trade_number is gap-free per market. side: the taker's. Times never fall as numbers rise.
create table ticks (
  symbol text not null,
  trade_number bigint not null,
  time timestamptz not null,
  price_ticks bigint not null check (price_ticks > 0),
  quantity_lots bigint not null check (quantity_lots > 0),
  side smallint not null,
  primary key (symbol, trade_number)
);
-- Lists by time, newest first, and the first and last trade of a span.
create index ticks_time on ticks (symbol, time, trade_number);
grant select, insert on ticks to :app_role;

-- Candles of all intervals (interval_code: CandleInterval of the contract); only those with a trade. volume: in lots.
create table candles (
  symbol text not null,
  interval_code smallint not null,
  start_time timestamptz not null,
  open_ticks bigint not null,
  high_ticks bigint not null,
  low_ticks bigint not null,
  close_ticks bigint not null,
  volume_lots numeric(38, 0) not null,
  trades bigint not null,
  primary key (symbol, interval_code, start_time)
) with (fillfactor = 80);
grant select, insert, update on candles to :app_role;

-- One row a change of a book; seq is gap-free per market. changes: [[side, ticks, lots], ...], side 1 bid, 2 ask, lots after
-- the change, 0 removes the level.
create table book_updates (
  symbol text not null,
  seq bigint not null,
  time timestamptz not null,
  changes jsonb not null,
  primary key (symbol, seq)
);
create index book_updates_time on book_updates (symbol, time, seq);
grant select, insert on book_updates to :app_role;

-- Whole books from time to time: [[ticks, lots], ...] best first. Seq 0 is the empty book of a new market, so that every moment
-- has a snapshot at or before it.
create table book_snapshots (
  symbol text not null,
  seq bigint not null,
  time timestamptz not null,
  bids jsonb not null,
  asks jsonb not null,
  primary key (symbol, seq)
);
grant select, insert on book_snapshots to :app_role;

-- Events that were decided in the same commit as their cause. The relay sends them in id order; sent rows are kept for a while.
create table outbox (
  id bigint generated always as identity primary key,
  topic text not null,
  partition int,
  key text not null,
  headers jsonb not null,
  value bytea not null,
  created_at timestamptz not null default now(),
  sent_at timestamptz
);
create index outbox_unsent on outbox (id) where sent_at is null;
create index outbox_sent_at on outbox (sent_at) where sent_at is not null;
-- A queue's dead index entries are at its front, where the relay looks first: vacuum early.
alter table outbox set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000);
grant select, insert, delete, update (sent_at) on outbox to :app_role;

-- How far each consumer group has come. Moved in the commit of the effect, so an effect happens once.
create table consumer_cursors (
  consumer_group text not null,
  topic text not null,
  partition int not null,
  next_offset bigint not null,
  stopped_offset bigint,
  stopped_error text,
  stopped_at timestamptz,
  primary key (consumer_group, topic, partition)
) with (fillfactor = 50);
grant select, insert, update on consumer_cursors to :app_role;

-- Records that an unordered consumer could not apply, for an operator to replay or drop.
create table dead_letters (
  id bigint generated always as identity primary key,
  consumer_group text not null,
  topic text not null,
  partition int not null,
  record_offset bigint not null,
  record_time timestamptz not null,
  key text not null,
  headers jsonb not null,
  value bytea not null,
  error text not null,
  attempts int not null,
  parked_at timestamptz not null default now(),
  constraint dead_letters_record_key unique (consumer_group, topic, partition, record_offset)
);
grant select, insert, update, delete on dead_letters to :app_role;
