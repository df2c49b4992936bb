-- Mails: what is to be sent, and what became of it. No addresses and no texts: they are made when a mail is sent.

create table service_profile (
  only_row boolean primary key default true check (only_row),
  profile text not null check (profile in ('demo', 'production'))
);
grant select, insert on service_profile to :app_role;

-- event_id: the event that caused the mail; with the user and the template it makes a second delivery of the event harmless.
-- params: what the template needs, without personal data. next_attempt_at: when the sender may try (again).
create table deliveries (
  id uuid primary key,
  user_id uuid not null,
  template text not null,
  event_id text not null,
  params jsonb not null,
  status text not null check (status in ('queued', 'sent', 'delivered', 'failed', 'complained')),
  attempts int not null default 0,
  next_attempt_at timestamptz not null,
  provider_message_id text,
  failure text,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  unique (event_id, user_id, template)
);
create index deliveries_due on deliveries (next_attempt_at) where status = 'queued';
create index deliveries_newest on deliveries (id desc);
create index deliveries_user on deliveries (user_id, id desc);
create index deliveries_status on deliveries (status, id desc);
create index deliveries_message on deliveries (provider_message_id) where provider_message_id is not null;
grant select, insert, update (status, attempts, next_attempt_at, provider_message_id, failure, updated_at) on deliveries to :app_role;

-- Tokens of webhooks that were accepted; each is good once. Older ones than the freshness window are refused anyway.
create table webhook_tokens (
  token text primary key,
  used_at timestamptz not null
);
create index webhook_tokens_used_at on webhook_tokens (used_at);
grant select, insert, delete on webhook_tokens to :app_role;

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
