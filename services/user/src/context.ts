import type { ServiceContext } from '@bitka/service'
import type { FindPeople } from './clients/directory.ts'

/** What the user service's RPCs are built from. */
export type UserContext = Pick<ServiceContext, 'db' | 'clock' | 'log' | 'audit'> & { findPeople: FindPeople }
