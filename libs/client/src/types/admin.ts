import type { CursorQuery, PageQuery, Time } from './common.ts'

export type AuditRow = {
  seq: number
  event_id: string
  service: string
  time: Time
  actor_kind: 'user' | 'operator' | 'anonymous' | 'service' | 'third_party'
  actor_id?: string
  action: string
  target_type?: string
  target_id?: string
  outcome: 'succeeded' | 'refused' | 'failed'
  error_code?: string
  address?: string
  user_agent?: string
  request_id?: string
  profile: string
  details: { name: string; value: string }[]
  hash: string
  previous_hash: string
}
export type AuditQuery = CursorQuery & {
  actor_id?: string
  action?: string
  target_id?: string
  service?: string
  request_id?: string
  from?: Time
  to?: Time
}

export type DeliveryStatus = 'queued' | 'sent' | 'delivered' | 'failed' | 'complained'
/** A mail to a user. */
export type Delivery = {
  id: string
  user_id: string
  template: string
  status: DeliveryStatus
  attempts: number
  provider_message_id?: string
  failure?: string
  created_at: Time
  updated_at: Time
}
export type DeliveriesQuery = PageQuery & { user_id?: string; status?: DeliveryStatus }

export type ServiceHealth = {
  service: string
  ready: boolean
  dependencies: { name: string; ok: boolean; detail?: string }[]
}
/** An event that a service could not handle and put aside. */
export type DeadLetter = {
  id: string
  consumer: string
  topic: string
  partition: number
  offset: number
  error: string
  attempts: number
  parked_at: Time
}
/** How far a market's engine has come. */
export type MarketEngine = {
  symbol: string
  partition: number
  running: boolean
  stopped_reason?: string
  command_seq: number
  result_number: number
  book_seq: number
  open_orders: number
  /** SHA-256 of the state, in hex. */
  state_hash: string
}
