-- matching has no database of orders: its state is the command log. What is kept here only shortens a replay.

create table service_profile (
  only_row boolean primary key default true check (only_row),
  profile text not null check (profile in ('demo', 'production'))
);
grant select, insert on service_profile to :app_role;

-- The state of one market after command_seq, whose results are in the log. A row that is broken costs a longer replay, no more.
-- input_offset, output_offset: where to go on reading commands and results; both may lie before the state, never behind it.
-- state: the engine's own bytes. state_hash: SHA-256 over them, checked before they are used.
create table snapshots (
  partition int not null,
  symbol text not null,
  command_seq bigint not null,
  result_number bigint not null,
  book_seq bigint not null,
  input_offset bigint not null,
  output_offset bigint not null,
  engine_version int not null,
  state bytea not null,
  state_hash bytea not null check (length(state_hash) = 32),
  created_at timestamptz not null default now(),
  primary key (partition, symbol, command_seq)
);
-- The states are packed by none: they are read and written whole, and rarely.
alter table snapshots alter column state set storage external;
grant select, insert, update, delete on snapshots to :app_role;

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
