import { DomainError } from '@bitka/kernel'
import type { MethodImpl } from '@bitka/mesh'
import { type AuthService, MfaMethod } from '@bitka/proto/bitka/auth/v1/auth_pb'
import { refuseFields } from '../domain/registration.ts'

const methods: readonly MfaMethod[] = [MfaMethod.TOTP, MfaMethod.RECOVERY_CODE, MfaMethod.WEBAUTHN]

/** Finishes a sign-in with a second factor. None can be enrolled yet, so no mfa_token is known. */
export const verifyMfa =
  (): MethodImpl<typeof AuthService.method.verifyMfa> =>
  async ({ mfaToken, method, code, assertion }) => {
    const isPasskey = method === MfaMethod.WEBAUTHN
    const hasMethod = methods.includes(method)
    refuseFields({
      mfa_token: mfaToken === '' ? 'is required' : undefined,
      method: hasMethod ? undefined : 'must be totp, recovery_code or webauthn',
      code: hasMethod && !isPasskey && !code ? 'is required' : undefined,
      assertion: isPasskey && assertion === undefined ? 'is required' : undefined,
    })
    throw new DomainError('unauthenticated', 'The second factor is wrong or came too late.')
  }
