import { integer, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core'
import type { Locale } from '../domain/profile.ts'

const time = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })

export const profiles = pgTable('profiles', {
  userId: uuid('user_id').primaryKey(),
  username: text('username').notNull(),
  email: text('email').notNull(),
  fullName: text('full_name'),
  avatarUrl: text('avatar_url'),
  locale: text('locale').$type<Locale>().notNull().default('en'),
  kycLevel: integer('kyc_level').notNull().default(0),
  registeredAt: time('registered_at').notNull(),
  updatedAt: time('updated_at').notNull(),
})
