import { randomUUID } from 'node:crypto'
import { type Answer, type Body, type CallOptions, call, dataOf } from './rest.ts'

type Options = Omit<CallOptions, 'token'>

/** Somebody with a session. */
export class Person {
  private constructor(
    readonly url: string,
    readonly username: string,
    readonly email: string,
    readonly password: string,
    readonly userId: string,
    readonly token: string,
    readonly refreshToken: string,
  ) {}

  static async register(url: string, username: string): Promise<Person> {
    const email = `${username}@example.com`
    const password = `only ${randomUUID()} knows`
    const body = { username, email, password }
    const registered = await call(url, 'POST', '/v1/auth/register', { body })
    if (registered.status !== 201) throw new Error(`not registered: ${JSON.stringify(registered.body)}`)
    return await Person.signIn(url, email, password)
  }

  static async signIn(url: string, identifier: string, password: string): Promise<Person> {
    const answer = await call(url, 'POST', '/v1/auth/login', { body: { identifier, password } })
    if (answer.status !== 200) throw new Error(`not signed in: ${JSON.stringify(answer.body)}`)
    const { access_token: token, refresh_token } = dataOf(answer.body)
    const { sub } = claimsOf(token)
    const me = dataOf((await call(url, 'GET', '/v1/users/me', { token })).body)
    return new Person(url, me.username, me.email, password, sub, token, refresh_token)
  }

  get(path: string, options: Options = {}): Promise<Answer> {
    return call(this.url, 'GET', path, { ...options, token: this.token })
  }
  post(path: string, options: Options = {}): Promise<Answer> {
    return call(this.url, 'POST', path, { ...options, token: this.token })
  }
  put(path: string, options: Options = {}): Promise<Answer> {
    return call(this.url, 'PUT', path, { ...options, token: this.token })
  }
  patch(path: string, options: Options = {}): Promise<Answer> {
    return call(this.url, 'PATCH', path, { ...options, token: this.token })
  }
  delete(path: string, options: Options = {}): Promise<Answer> {
    return call(this.url, 'DELETE', path, { ...options, token: this.token })
  }

  /** What they have of an asset. */
  async account(asset: string): Promise<{ id: string; available: string; locked: string }> {
    const { body } = await this.get(`/v1/ledger/accounts?asset=${asset}`)
    const [account] = dataOf(body).items
    if (!account) throw new Error(`${this.username} has no account in ${asset}`)
    return account
  }

  /** Places a limit order, waits for the engine and answers the order: `order('buy', 'BTC-THB', '0.01', '1000000')`. */
  async order(side: 'buy' | 'sell', symbol: string, quantity: string, price: string, more: object = {}): Promise<Body> {
    const body = { symbol, side, type: 'limit', price, quantity, ...more }
    const answer = await this.post('/v1/orders', { body, headers: { prefer: 'wait=5' } })
    if (answer.status !== 201) throw new Error(`no order: ${JSON.stringify(answer.body)}`)
    return dataOf(answer.body).order
  }
}

export const claimsOf = (token: string): Body =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
