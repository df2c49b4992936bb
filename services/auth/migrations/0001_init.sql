-- Identity: credentials, sessions, refresh tokens, signing keys. Nothing here can be used as it lies: passwords are argon2id
-- hashes, refresh tokens SHA-256 hashes, private keys AES-256-GCM ciphertexts under a key from the environment.

-- The profile of the first start; a start with another one is refused.
create table service_profile (
  only_row boolean primary key default true check (only_row),
  profile text not null check (profile in ('demo', 'production')),
  created_at timestamptz not null default now()
);
grant select, insert on service_profile to :app_role;

-- username is as its owner wrote it, username_key its lower case; email is kept in lower case.
create table users (
  id uuid primary key,
  username text not null,
  username_key text not null,
  email text not null,
  password_hash text not null,
  roles text[] not null default '{user}'
    check (roles <@ array['user', 'support', 'compliance', 'treasury', 'operator', 'admin', 'auditor'] and 'user' = any (roles)),
  disabled_at timestamptz,
  created_at timestamptz not null,
  password_changed_at timestamptz not null,
  constraint users_username_key unique (username_key),
  constraint users_email_key unique (email)
);
-- Prefix search of operators; the unique indexes cannot serve LIKE unless the collation is C.
create index users_username_prefix on users (username_key text_pattern_ops);
create index users_email_prefix on users (email text_pattern_ops);
create index users_roles on users using gin (roles);
grant select, insert, update (password_hash, roles, disabled_at, password_changed_at) on users to :app_role;

-- One sign-in. tokens_expire_at: after it no access token of the session can be valid. expires_at: nor any refresh token.
create table sessions (
  id uuid primary key,
  user_id uuid not null references users,
  address text not null,
  user_agent text not null,
  created_at timestamptz not null,
  tokens_expire_at timestamptz not null,
  expires_at timestamptz not null,
  ended_at timestamptz,
  end_reason text check (end_reason in ('logout', 'refresh_reuse', 'password_changed', 'roles_changed', 'disabled')),
  check ((ended_at is null) = (end_reason is null))
);
create index sessions_open on sessions (user_id) where ended_at is null;
create index sessions_revoked on sessions (tokens_expire_at) where ended_at is not null;
create index sessions_expires_at on sessions (expires_at);
grant select, insert, delete, update (tokens_expire_at, expires_at, ended_at, end_reason) on sessions to :app_role;

-- The family of a session's refresh tokens. Spent ones stay, so that a second use of one shows.
create table refresh_tokens (
  hash bytea primary key check (length(hash) = 32),
  session_id uuid not null references sessions on delete cascade,
  expires_at timestamptz not null,
  spent_at timestamptz
);
create index refresh_tokens_session on refresh_tokens (session_id);
grant select, insert, delete, update (spent_at) on refresh_tokens to :app_role;

-- Where a user has signed in from; outlives the sessions. agent_hash: SHA-256 of the user agent.
create table devices (
  user_id uuid not null references users,
  address text not null,
  agent_hash bytea not null,
  first_seen_at timestamptz not null,
  primary key (user_id, address, agent_hash)
);
grant select, insert on devices to :app_role;

-- Failed sign-ins in a row. account: SHA-256 of the user id, or of what was typed when there is no such user.
create table sign_in_failures (
  account bytea not null,
  network text not null,
  failures int not null,
  last_at timestamptz not null,
  primary key (account, network)
);
create index sign_in_failures_last_at on sign_in_failures (last_at);
grant select, insert, update, delete on sign_in_failures to :app_role;

-- Keys of access tokens: waiting and published (activated_at is null), signing, or retired. private_key: iv, ciphertext and tag;
-- kek_id says which key-encryption key it is under.
create table signing_keys (
  kid text primary key,
  public_jwk jsonb not null,
  private_key bytea not null,
  kek_id text not null,
  created_at timestamptz not null,
  activated_at timestamptz,
  retired_at timestamptz,
  check (retired_at is null or activated_at is not null)
);
create unique index signing_keys_one_current on signing_keys ((true)) where activated_at is not null and retired_at is null;
create unique index signing_keys_one_next on signing_keys ((true)) where activated_at is null;
grant select, insert, delete, update (activated_at, retired_at) on signing_keys to :app_role;

-- Answers by idempotency key; see libs/store.
create table idempotency (
  scope text not null,
  user_id text not null,
  key text not null,
  request_hash bytea not null,
  outcome text check (outcome in ('answer', 'refusal')),
  answer bytea,
  created_at timestamptz not null,
  expires_at timestamptz,
  primary key (scope, user_id, key)
);
create index idempotency_expires_at_idx on idempotency (expires_at) where expires_at is not null;
grant select, insert, update, delete on idempotency to :app_role;

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
