import { BitkaApiError } from '../errors.ts'
import type { TokenSource } from '../http/transport.ts'
import type { Connection } from './connection.ts'

/** Signs in on a connection, once for all of its private channels. */
export class SignIn {
  private done = false
  private running: Promise<void> | undefined

  constructor(private readonly tokens: TokenSource) {}

  /** The connection is a new one, or its token has run out. */
  forget(): void {
    this.done = false
  }

  /** @throws BitkaApiError UNAUTHORIZED when there is no token that the server takes */
  ensure(connection: Connection): Promise<void> {
    if (this.done) return Promise.resolve()
    this.running ??= this.authenticate(connection).finally(() => {
      this.running = undefined
    })
    return this.running
  }

  private async authenticate(connection: Connection): Promise<void> {
    let token = await this.tokens.accessToken()
    for (let again = true; ; again = false) {
      if (token === undefined) throw new BitkaApiError({ code: 'UNAUTHORIZED', message: 'Sign in first.' })
      try {
        await connection.ask({ op: 'auth', token })
        this.done = true
        return
      } catch (error) {
        if (!again || !(error instanceof BitkaApiError) || error.code !== 'UNAUTHORIZED') throw error
        token = await this.tokens.renewedToken(token)
      }
    }
  }
}
