-- Markets, orders, fills, and what the service needs to send commands and to read results.
-- Enums are the numbers of bitka.common.v1; prices are ticks, quantities lots, money minor units.

-- A market as it was last commanded. What the engine made of it is in market_positions, in a row of its own: creates lock
-- this one, the reader of results locks that one, and neither waits for the other.
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
  max_open_orders int not null,
  -- The partition of the market's commands and results. Never recomputed: adding partitions moves no market.
  partition int not null,
  -- The status that the last command asked for.
  wanted_status smallint not null,
  -- Taken and raised under this row's lock, in the commit that writes the command to the outbox: gap-free.
  next_command_seq bigint not null,
  -- From its first order's command on, what prices and quantities are counted in cannot change any more.
  had_order boolean not null default false,
  created_at timestamptz not null,
  updated_at timestamptz not null
) with (fillfactor = 20);
grant select, insert, update on markets to :app_role;

-- How far the results of a market have been applied, and what they last said about it.
create table market_positions (
  symbol text primary key references markets (symbol),
  last_result_number bigint not null default 0,
  last_command_seq bigint not null default 0,
  -- 0 until the engine has said anything.
  status smallint not null default 0,
  last_price_ticks bigint,
  best_bid_ticks bigint,
  best_ask_ticks bigint
) with (fillfactor = 20);
grant select, insert, update on market_positions to :app_role;

-- One row an order, from before its funds are held. "pending" has no command yet; "submitted" has one; the states after
-- that come from results alone; "dead" never became an order: it is shown nowhere and holds no client_order_id.
-- No foreign key to markets: the insert holds the market's row lock already, and markets are never deleted.
create table orders (
  id uuid primary key,
  user_id uuid not null,
  client_order_id text,
  symbol text not null,
  side smallint not null,
  type smallint not null,
  time_in_force smallint not null,
  post_only boolean not null,
  self_trade_prevention smallint not null,
  price_ticks bigint,
  quantity_lots bigint not null constraint orders_quantity_positive check (quantity_lots > 0),
  filled_lots bigint not null default 0,
  -- Taken off by self-trade prevention.
  reduced_lots bigint not null default 0,
  -- Quote paid or received by all fills.
  quote_total numeric(38, 0) not null default 0,
  hold_asset text not null,
  receive_asset text not null,
  -- 0: nothing to hold, since there was no price to refer to.
  hold_amount numeric(38, 0) not null constraint orders_hold_not_negative check (hold_amount >= 0),
  maker_fee_bps int not null,
  taker_fee_bps int not null,
  state text not null constraint orders_state_known check
    (state in ('pending', 'submitted', 'open', 'partially_filled', 'filled', 'cancelled', 'rejected', 'dead')),
  cancel_reason smallint,
  reject_reason smallint,
  metadata jsonb,
  revision bigint not null default 0,
  command_seq bigint,
  -- The cancel command that is on its way; one at a time.
  cancel_seq bigint,
  -- The create's Idempotency-Key, for good, with the hash of its request and, when it was refused, the refusal.
  idempotency_key text,
  request_hash bytea,
  refusal jsonb,
  -- Ended before it had a command: the ledger has to be told to release, or to refuse a late hold.
  release_due boolean not null default false,
  -- The sweeper that works on the row, until then.
  claimed_until timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  constraint orders_filled_in_quantity check (filled_lots + reduced_lots <= quantity_lots)
) with (fillfactor = 70);
create unique index orders_client_order_id on orders (user_id, client_order_id)
  where client_order_id is not null and state <> 'dead';
create unique index orders_idempotency_key on orders (user_id, idempotency_key) where idempotency_key is not null;
create index orders_by_user on orders (user_id, id desc);
create index orders_by_user_symbol on orders (user_id, symbol, id desc);
-- Also counts and finds a user's open orders.
create index orders_by_user_state on orders (user_id, state, id desc);
create index orders_pending on orders (created_at) where state = 'pending';
create index orders_release_due on orders (updated_at) where release_due;
grant select, insert, update on orders to :app_role;

-- One row an order and trade. seq is in commit order, since results are applied under one lock: a stream can go on from it.
create table fills (
  fill_id text primary key,
  seq bigint generated always as identity,
  order_id uuid not null,
  user_id uuid not null,
  symbol text not null,
  side smallint not null,
  trade_number bigint not null,
  price_ticks bigint not null,
  quantity_lots bigint not null,
  quote_amount numeric(38, 0) not null,
  fee numeric(38, 0) not null,
  fee_asset text not null,
  liquidity smallint not null,
  executed_at timestamptz not null
);
create index fills_by_order on fills (order_id, seq);
create index fills_by_user_seq on fills (user_id, seq);
create index fills_by_user_time on fills (user_id, executed_at desc, seq desc);
create index fills_by_user_symbol_time on fills (user_id, symbol, executed_at desc, seq desc);
grant select, insert on fills to :app_role;

-- The profile this exchange was first started with: see libs/service.
create table service_profile (
  only_row boolean primary key default true constraint service_profile_one_row check (only_row),
  profile text not null
);
grant select, insert on service_profile to :app_role;

-- Answers that are remembered by Idempotency-Key, for everything but creates (those are kept in orders). libs/store.
create table idempotency (
  scope text not null,
  user_id text not null,
  key text not null,
  request_hash bytea not null,
  outcome text constraint idempotency_outcome_known check (outcome in ('answer', 'refusal')),
  answer bytea,
  created_at timestamptz not null,
  expires_at timestamptz,
  primary key (scope, user_id, key)
);
create index idempotency_expires on idempotency (expires_at) where expires_at is not null;
grant select, insert, update, delete on idempotency to :app_role;

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
