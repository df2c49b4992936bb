-- The audit log: append-only for the role that runs the service, and hash-chained, so that whoever owns the database cannot
-- change it unseen either.

create table service_profile (
  only_row boolean primary key default true check (only_row),
  profile text not null check (profile in ('demo', 'production'))
);
grant select, insert on service_profile to :app_role;

-- seq: place in the chain, gap-free from 1. hash: SHA-256 over previous_hash and the row's canonical encoding
-- (src/domain/chain.ts). event_id: given by the producer; makes a second delivery harmless. Empty text: not said.
create table audit_rows (
  seq bigint primary key,
  event_id uuid not null unique,
  service text not null,
  time timestamptz not null,
  actor_kind smallint not null,
  actor_id text not null,
  action text not null,
  target_type text not null,
  target_id text not null,
  outcome smallint not null,
  error_code text not null,
  address text not null,
  user_agent text not null,
  request_id text not null,
  profile text not null,
  details jsonb not null,
  previous_hash bytea not null check (length(previous_hash) = 32),
  hash bytea not null check (length(hash) = 32)
);
-- Each search is by one of these and newest first.
create index audit_rows_actor on audit_rows (actor_id, seq);
create index audit_rows_action on audit_rows (action, seq);
create index audit_rows_target on audit_rows (target_id, seq);
create index audit_rows_service on audit_rows (service, seq);
create index audit_rows_request on audit_rows (request_id, seq);
create index audit_rows_time on audit_rows (time, seq);
grant select, insert on audit_rows to :app_role;

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
