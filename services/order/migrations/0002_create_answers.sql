-- A repeat of a create's Idempotency-Key gets the first answer. One that was given at once follows from the order's row; one
-- that waited for the engine shows the order as it was then, so it is kept.
alter table orders
  -- How long the first request preferred to wait for the engine.
  add column wait_ms int not null default 0,
  -- The CreateOrderResponse that it got.
  add column answer bytea;
