-- The ledger. Money is numeric(38,0) minor units; how many decimals an asset's amounts have is in assets.decimals.
-- transactions, postings, holds and hold_changes are append-only: the app role may only INSERT and SELECT there.
-- Balances in accounts are kept beside them and can be derived again:
--   available + locked = sum of the account's postings, locked = sum of the account's hold changes.

create table assets (
  symbol text constraint assets_pkey primary key constraint assets_symbol_check check (symbol ~ '^[A-Z0-9]{2,10}$'),
  name text not null,
  type text not null constraint assets_type_check check (type in ('CRYPTO', 'FIAT')),
  -- Fixed from the first posting on.
  decimals smallint not null constraint assets_decimals_check check (decimals between 0 and 18),
  icon_url text,
  -- Whether new holds and transfers are taken. What is agreed is settled anyway.
  is_active boolean not null,
  created_at timestamptz not null
);
grant select, insert, update on assets to :app_role;

-- One account per owner and asset. owner_id is a user's id, or the name of an account of the exchange itself:
-- external (counterpart of deposits and withdrawals, negative by what users hold), fees, rounding, rebates, custody_pending.
create table accounts (
  id uuid constraint accounts_pkey primary key,
  owner_kind text not null constraint accounts_owner_kind_check check (owner_kind in ('user', 'system')),
  owner_id text not null,
  asset text not null references assets,
  available numeric(38,0) not null default 0,
  locked numeric(38,0) not null default 0,
  -- The number of the account's last posting.
  posting_count bigint not null default 0,
  -- Rises with every change of a balance.
  version bigint not null default 0,
  -- Set: no new holds, no transfers out. Settlement goes on.
  frozen_at timestamptz,
  created_at timestamptz not null,
  constraint accounts_owner_key unique (owner_kind, owner_id, asset),
  constraint accounts_never_negative check (
    (owner_kind = 'system' and owner_id in ('external', 'custody_pending')) or (available >= 0 and locked >= 0))
) with (fillfactor = 70);
grant select, insert, update (available, locked, posting_count, version, frozen_at) on accounts to :app_role;

create table transactions (
  id uuid constraint transactions_pkey primary key,
  kind text not null constraint transactions_kind_check
    check (kind in ('deposit', 'withdrawal', 'transfer', 'trade', 'adjustment', 'reversal')),
  created_at timestamptz not null,
  description text,
  metadata jsonb,
  -- A user's id, or the service whose decision it was.
  author text not null,
  reverses_tx_id uuid,
  -- A trade: its market and the number of the engine's result.
  symbol text,
  result_number bigint,
  -- A transaction is reversed at most once, a result settled at most once.
  constraint transactions_reverses_tx_id_key unique (reverses_tx_id),
  constraint transactions_result_key unique (symbol, result_number)
);
grant select, insert on transactions to :app_role;

-- The sides of transactions; what the API calls a transaction is one of these.
-- tx_id and account_id have no foreign keys: two index look-ups a row would cost a third of the rate, nothing is ever
-- deleted from either table, and the trigger below looks at both in one go.
create table postings (
  id uuid constraint postings_pkey primary key,
  tx_id uuid not null,
  account_id uuid not null,
  -- Without gaps per account, from 1.
  number bigint not null,
  -- The transaction's kind, or fee.
  kind text not null constraint postings_kind_check
    check (kind in ('deposit', 'withdrawal', 'transfer', 'trade', 'fee', 'adjustment', 'reversal')),
  amount numeric(38,0) not null constraint postings_amount_check check (amount <> 0),
  -- available + locked afterwards.
  balance_after numeric(38,0) not null,
  -- The other user's side of a transfer, or the side that a reversal undoes.
  related_id uuid,
  created_at timestamptz not null,
  constraint postings_number_key unique (account_id, number)
);
-- Lists of one account or of a user's accounts, newest first.
create index postings_account_created_idx on postings (account_id, created_at, id);
-- The sides of a transaction.
create index postings_tx_idx on postings (tx_id);
-- What was reversed in an account, for lists by status.
create index postings_reversals_idx on postings (account_id, related_id) where kind = 'reversal';
grant select, insert on postings to :app_role;

-- All sides of a transaction are written by one statement, so its sum can be proved at the end of that statement.
create function check_postings() returns trigger language plpgsql set search_path from current as $$
begin
  if exists (
    select from added p
    left join accounts a on a.id = p.account_id
    group by p.tx_id, a.asset
    having sum(p.amount) <> 0 or a.asset is null
  ) then
    raise exception 'the postings of a transaction do not sum to zero'
      using errcode = 'check_violation', constraint = 'postings_sum_to_zero';
  end if;
  return null;
end $$;
revoke all on function check_postings() from public;
create trigger postings_sum_to_zero after insert on postings
  referencing new table as added for each statement execute function check_postings();

-- What was decided about each hold's id, once and for good. placed: funds were set aside, hold_changes says what is left.
-- refused: the answer that every repeat gets. tombstone: released before it was asked for, so a late request is refused.
create table holds (
  id uuid constraint holds_pkey primary key,
  state text not null constraint holds_state_check check (state in ('placed', 'refused', 'tombstone')),
  purpose text not null constraint holds_purpose_check check (purpose in ('order', 'withdrawal', 'amend')),
  user_id text,
  account_id uuid,
  asset text,
  receive_asset text,
  symbol text,
  amount numeric(38,0),
  refusal_kind text,
  refusal_message text,
  created_at timestamptz not null,
  constraint holds_content_check check (
    state = 'tombstone' or (user_id is not null and asset is not null and receive_asset is not null
      and symbol is not null and amount > 0)),
  constraint holds_placed_check check ((state = 'placed') = (account_id is not null)),
  constraint holds_refused_check check ((state = 'refused') = (refusal_kind is not null and refusal_message is not null))
);
grant select, insert on holds to :app_role;

-- Each change of a hold, with what is left after it. delta moves locked by as much; available takes back what the
-- transaction tx_id did not pay out.
create table hold_changes (
  hold_id uuid not null,
  number int not null,
  account_id uuid not null,
  delta numeric(38,0) not null constraint hold_changes_delta_check check (delta <> 0),
  remaining_after numeric(38,0) not null constraint hold_changes_remaining_check check (remaining_after >= 0),
  cause text not null constraint hold_changes_cause_check
    check (cause in ('hold', 'release', 'trade', 'reduce', 'close', 'reject')),
  tx_id uuid,
  created_at timestamptz not null,
  constraint hold_changes_pkey primary key (hold_id, number)
);
-- locked of an account, derived again.
create index hold_changes_account_idx on hold_changes (account_id);
grant select, insert on hold_changes to :app_role;

-- How far each market is settled, moved in the commit of the postings.
create table settlement_positions (
  symbol text constraint settlement_positions_pkey primary key,
  command_seq bigint not null,
  result_number bigint not null,
  partition int not null,
  updated_at timestamptz not null
) with (fillfactor = 50);
grant select, insert, update on settlement_positions to :app_role;

-- Outcomes by idempotency key, kept for good: see libs/store/README.md. The ledger never deletes one.
create table idempotency (
  scope text not null,
  user_id text not null,
  key text not null,
  request_hash bytea not null,
  outcome text constraint idempotency_outcome_check check (outcome in ('answer', 'refusal')),
  answer bytea,
  created_at timestamptz not null,
  expires_at timestamptz,
  constraint idempotency_pkey primary key (scope, user_id, key)
);
grant select, insert, update on idempotency to :app_role;

-- The profile this exchange was first started with: see libs/service.
create table service_profile (
  only_row boolean primary key default true constraint service_profile_one_row check (only_row),
  profile text not null
);
grant select, insert on service_profile to :app_role;

-- From here: the tables of libs/events.

-- Events that were decided in the same commit as their cause.
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
alter table outbox set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000);
grant select, insert, delete, update (sent_at) on outbox to :app_role;

-- How far each consumer group has come.
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

-- Records that an unordered consumer could not apply. Settlement is ordered and stops instead.
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
