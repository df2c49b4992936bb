-- Expand step: what operators do with dead letters is remembered by Idempotency-Key. libs/service, libs/store.
-- The release before neither reads nor writes this table.
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
