-- Commands stay in the outbox for good: a log that was lost is made again of them. So what is purged has an index without
-- them, and the last commands of a partition are found without reading the others.
drop index outbox_sent_at;
create index outbox_purge on outbox (sent_at) where sent_at is not null and topic <> 'trading.orders.commands';
create index outbox_commands on outbox (partition, id) where topic = 'trading.orders.commands';
