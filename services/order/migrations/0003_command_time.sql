-- The time of the market's last command, in milliseconds: the next one's is never before it, also when a clock goes back.
alter table markets add column last_command_ms bigint not null default 0;
