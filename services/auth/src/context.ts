import type { ServiceContext } from '@bitka/service'
import type { AuthConfig } from './config.ts'
import type { KeyVault } from './crypto/key-vault.ts'
import type { PasswordHasher } from './crypto/password-hasher.ts'
import type { KeyRing } from './key-ring.ts'

/** What auth's RPCs are built from. */
export type AuthContext = Pick<ServiceContext<AuthConfig>, 'db' | 'clock' | 'log' | 'audit'> & {
  hasher: PasswordHasher
  keys: KeyRing
  vault: KeyVault
}
