-- People's profiles. A row is made at the first read of a person, from auth's directory, whose facts do not change:
-- username, email and registered_at are copies. The columns with personal data are plain for now.

-- The profile of the exchange at the first start; a start with another one is refused.
create table service_profile (
  only_row boolean primary key default true check (only_row),
  profile text not null check (profile in ('demo', 'production')),
  created_at timestamptz not null default now()
);
grant select, insert on service_profile to :app_role;

-- full_name and avatar_url are null until given. updated_at: the last change by the person or an operator.
create table profiles (
  user_id uuid primary key,
  username text not null,
  email text not null,
  full_name text check (char_length(full_name) between 1 and 100),
  avatar_url text check (char_length(avatar_url) between 1 and 500),
  locale text not null default 'en' check (locale in ('en', 'th')),
  kyc_level int not null default 0 check (kyc_level >= 0),
  registered_at timestamptz not null,
  updated_at timestamptz not null
);
grant select, insert, update (full_name, avatar_url, locale, updated_at) on profiles to :app_role;

-- Events that were decided in the same commit as their cause; see libs/events.
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
