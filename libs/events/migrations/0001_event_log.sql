-- The event log: a partitioned, append-only log, as Kafka has it. Owned by event_log_owner. Services reach it through the
-- functions below and through nothing else: each checks session_user, the role that logged in, which no SET ROLE changes.

-- money: kept; prune_records refuses the topic.
create table topics (
  id int generated always as identity primary key,
  name text not null unique,
  money boolean not null
);

create table topic_producers (
  topic_id int not null references topics (id),
  role name not null,
  primary key (topic_id, role)
);

create table topic_consumers (
  topic_id int not null references topics (id),
  role name not null,
  primary key (topic_id, role)
);

-- One row a partition. Appends lock it until they commit, so offsets become visible in order: a reader never has to go back.
-- fence_token 0: anybody who may append to the topic may append here. Above: only the owner who got that token.
create table heads (
  topic_id int not null references topics (id),
  partition int not null,
  next_offset bigint not null default 0,
  fence_token bigint not null default 0,
  fence_owner text,
  fenced_at timestamptz,
  primary key (topic_id, partition)
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- No foreign key to heads: append_records has just locked the row that it would look up for every record.
-- headers is json, not jsonb: nobody searches it, and it is stored as it came.
create table records (
  topic_id int not null,
  partition int not null,
  record_offset bigint not null,
  appended_at timestamptz not null,
  key text not null,
  headers json not null,
  value bytea not null,
  primary key (topic_id, partition, record_offset)
) with (autovacuum_vacuum_insert_scale_factor = 0.2);

create function writable_topic(p_topic text) returns int
language plpgsql stable set search_path = event_log, pg_temp as $$
declare
  v_id int;
begin
  select t.id into v_id from topics t join topic_producers p on p.topic_id = t.id
  where t.name = p_topic and p.role = session_user;
  if v_id is null then
    raise exception 'role % may not append to topic %', session_user, p_topic using errcode = '42501';
  end if;
  return v_id;
end $$;

create function readable_topic(p_topic text) returns int
language plpgsql stable set search_path = event_log, pg_temp as $$
declare
  v_id int;
begin
  select t.id into v_id from topics t where t.name = p_topic
    and (exists (select from topic_consumers c where c.topic_id = t.id and c.role = session_user)
      or exists (select from topic_producers p where p.topic_id = t.id and p.role = session_user));
  if v_id is null then
    raise exception 'role % may not read topic %', session_user, p_topic using errcode = '42501';
  end if;
  return v_id;
end $$;

-- Appends records in the given order; answers the offset of each, in that order. p_fence_token null: not fenced.
-- BK001: another owner holds a partition. BK002: no such partition.
create function append_records(
  p_topic text, p_partitions int[], p_keys text[], p_headers text[], p_values bytea[], p_fence_token bigint
) returns table (o_partition int, o_offset bigint)
language plpgsql security definer set search_path = event_log, pg_temp as $$
declare
  v_topic int := writable_topic(p_topic);
  v_heads int;
  v_fenced int;
  v_now timestamptz;
begin
  -- Sorted, so that two appends over several partitions cannot deadlock.
  select count(*), count(*) filter (where fence_token <> coalesce(p_fence_token, 0)) into v_heads, v_fenced
  from (select h.fence_token from heads h
        where h.topic_id = v_topic and h.partition = any (p_partitions)
        order by h.partition for update) locked;
  if v_heads <> (select count(distinct p) from unnest(p_partitions) p) then
    raise exception 'topic % has no such partition', p_topic using errcode = 'BK002';
  end if;
  if v_fenced > 0 then
    raise exception 'a newer owner holds the partition of topic %', p_topic using errcode = 'BK001';
  end if;
  v_now := clock_timestamp();
  -- A statement of its own, begun after the locks were had: it sees what their last holders committed.
  return query
  with input as (
    select r.partition, r.key, r.headers, r.value, r.place,
      row_number() over (partition by r.partition order by r.place) - 1 as nth
    from unnest(p_partitions, p_keys, p_headers, p_values) with ordinality as r (partition, key, headers, value, place)
  ), placed as (
    select i.*, h.next_offset + i.nth as record_offset
    from input i join heads h on h.topic_id = v_topic and h.partition = i.partition
  ), stored as (
    insert into records (topic_id, partition, record_offset, appended_at, key, headers, value)
    select v_topic, p.partition, p.record_offset, v_now, p.key, p.headers::json, p.value from placed p
  ), moved as (
    update heads h set next_offset = c.next_offset
    from (select p.partition, max(p.record_offset) + 1 as next_offset from placed p group by p.partition) c
    where h.topic_id = v_topic and h.partition = c.partition
  )
  select p.partition, p.record_offset from placed p order by p.place;
end $$;

create function read_records(p_topic text, p_partition int, p_from bigint, p_max int)
returns table (o_offset bigint, o_appended_ms bigint, o_key text, o_headers json, o_value bytea)
language plpgsql stable security definer set search_path = event_log, pg_temp as $$
declare
  v_topic int := readable_topic(p_topic);
begin
  return query
  select r.record_offset, (extract(epoch from r.appended_at) * 1000)::bigint, r.key, r.headers, r.value
  from records r
  where r.topic_id = v_topic and r.partition = p_partition and r.record_offset >= p_from
  order by r.record_offset limit p_max;
end $$;

-- Where each partition ends. Topics that the caller may not read are left out.
create function topic_ends(p_topics text[]) returns table (o_topic text, o_partition int, o_next_offset bigint)
language sql stable security definer set search_path = event_log, pg_temp as $$
  select t.name, h.partition, h.next_offset
  from topics t join heads h on h.topic_id = t.id
  where t.name = any (p_topics)
    and (exists (select from topic_consumers c where c.topic_id = t.id and c.role = session_user)
      or exists (select from topic_producers p where p.topic_id = t.id and p.role = session_user))
  order by t.name, h.partition
$$;

-- Makes p_owner the only one who may append. Waits for the append in progress: after this the partition's end is stable.
create function acquire_fence(p_topic text, p_partition int, p_owner text) returns bigint
language plpgsql security definer set search_path = event_log, pg_temp as $$
declare
  v_topic int := writable_topic(p_topic);
  v_token bigint;
begin
  update heads h set fence_token = h.fence_token + 1, fence_owner = p_owner, fenced_at = clock_timestamp()
  where h.topic_id = v_topic and h.partition = p_partition
  returning h.fence_token into v_token;
  if v_token is null then
    raise exception 'topic % has no such partition', p_topic using errcode = 'BK002';
  end if;
  return v_token;
end $$;

-- Deletes the oldest records of one topic; answers how many. Only the owner may call it, and never for a money topic.
create function prune_records(p_topic text, p_before timestamptz, p_max int) returns int
language plpgsql set search_path = event_log, pg_temp as $$
declare
  v_topic topics%rowtype;
  v_deleted int := 0;
  v_head heads%rowtype;
  v_rows int;
begin
  select * into v_topic from topics where name = p_topic;
  if v_topic.id is null or v_topic.money then
    raise exception 'topic % is kept', p_topic using errcode = '42501';
  end if;
  for v_head in select * from heads where topic_id = v_topic.id loop
    -- Offset and time rise together, so the first rows of the partition are the oldest.
    delete from records r using (
      select o.record_offset, o.appended_at from records o
      where o.topic_id = v_topic.id and o.partition = v_head.partition order by o.record_offset limit p_max
    ) old
    where r.topic_id = v_topic.id and r.partition = v_head.partition
      and r.record_offset = old.record_offset and old.appended_at < p_before;
    get diagnostics v_rows = row_count;
    v_deleted := v_deleted + v_rows;
  end loop;
  return v_deleted;
end $$;

-- Makes topics, partitions and permissions as the table in the code says: [{name, money, partitions, producers, consumers}].
-- Answers the roles that do not exist; they get their grants when it is run again. Partitions are added, never removed.
create function sync_topics(p_topics jsonb) returns text[]
language plpgsql set search_path = event_log, pg_temp as $$
declare
  v_role text;
  v_missing text[] := '{}';
begin
  perform pg_advisory_xact_lock(hashtextextended('event_log.sync_topics', 0));
  insert into topics (name, money)
    select t->>'name', (t->>'money')::boolean from jsonb_array_elements(p_topics) t
  on conflict (name) do update set money = excluded.money where topics.money <> excluded.money;
  insert into heads (topic_id, partition)
    select topics.id, n from jsonb_array_elements(p_topics) t
      join topics on topics.name = t->>'name',
      lateral generate_series(0, (t->>'partitions')::int - 1) n
  on conflict do nothing;
  delete from topic_producers;
  insert into topic_producers (topic_id, role)
    select topics.id, r from jsonb_array_elements(p_topics) t
      join topics on topics.name = t->>'name', lateral jsonb_array_elements_text(t->'producers') r;
  delete from topic_consumers;
  insert into topic_consumers (topic_id, role)
    select topics.id, r from jsonb_array_elements(p_topics) t
      join topics on topics.name = t->>'name', lateral jsonb_array_elements_text(t->'consumers') r;
  for v_role in select role from topic_producers union select role from topic_consumers order by 1 loop
    if not exists (select from pg_roles where rolname = v_role) then
      v_missing := v_missing || v_role;
      continue;
    end if;
    execute format('grant usage on schema event_log to %I', v_role);
    execute format('grant execute on function append_records, read_records, topic_ends, acquire_fence to %I', v_role);
  end loop;
  return v_missing;
end $$;

revoke all on all functions in schema event_log from public;
