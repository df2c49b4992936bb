import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { BitkaApiError, type BitkaClient, createBitkaClient } from '@bitka/client'
import type { PeopleConfig } from './config.ts'
import { type PersonFile, PersonFiles } from './files.ts'
import { askSecret } from './prompt.ts'

/** Something that a person at a terminal has to know, in one sentence. */
export class PlainError extends Error {
  override name = 'PlainError'
}

export type Registered = 'registered' | 'signed in'

/** No username has an @, so this file is nobody else's. */
const OPERATOR = '@operator'
const USER_AGENT = 'bitka-cli'

/** The people whom this machine can act for, and the operator. */
export class People {
  private readonly files: PersonFiles

  constructor(private readonly config: PeopleConfig) {
    this.files = new PersonFiles(join(config.BITKA_DATA_DIR, 'cli'))
  }

  /** A client that is nobody. */
  anonymous(): BitkaClient {
    return createBitkaClient({ baseUrl: this.config.BITKA_URL, userAgent: USER_AGENT })
  }

  /** Registers somebody with a random password, or signs them in when that was done before. */
  async register(name: string): Promise<Registered> {
    const known = this.files.load(name)
    if (known && (await this.signIn(name, known))) return 'signed in'
    // Written first: an answer that is lost must not take the password with it.
    const person: PersonFile = { ...this.blank(name), password: known?.password ?? newPassword() }
    this.files.save(name, person)
    try {
      const { user_id } = await this.anonymous().auth.register({
        username: name,
        email: `${name}@example.com`,
        password: person.password ?? '',
      })
      this.files.save(name, { ...person, user_id })
    } catch (error) {
      const refused = error instanceof BitkaApiError && error.status >= 400 && error.status < 500
      if (refused && !known) this.files.remove(name)
      if (refused && error.code === 'CONFLICT') throw new PlainError(`The name ${name} is taken by somebody else.`)
      throw error
    }
    await this.client(name).accessToken()
    return 'registered'
  }

  /** A client that acts for somebody who was registered here. */
  client(name: string): BitkaClient {
    const person = this.files.load(name)
    if (!person) throw new PlainError(`Nobody called ${name} is registered here: ./bitka register ${name}`)
    const { identifier, password } = person
    return createBitkaClient({
      baseUrl: this.config.BITKA_URL,
      tokens: this.files.tokensOf(name),
      credentials: password === undefined ? undefined : { identifier, password },
      userAgent: USER_AGENT,
    })
  }

  /** A client of the operator; asks for the password when there is no session and none was given. */
  async operator(): Promise<BitkaClient> {
    const { BITKA_OPERATOR_EMAIL: identifier, BITKA_OPERATOR_PASSWORD: given, BITKA_URL: url } = this.config
    const known = this.files.load(OPERATOR)
    if (known?.identifier !== identifier || known.url !== url) this.files.save(OPERATOR, { url, identifier })
    const tokens = this.files.tokensOf(OPERATOR)
    const options = { baseUrl: url, tokens, userAgent: USER_AGENT }
    const credentials = given === undefined ? undefined : { identifier, password: given }
    const client = createBitkaClient({ ...options, credentials })
    if ((await client.accessToken()) !== undefined && (await isSignedIn(client))) return client
    const password = given ?? (await askSecret(`Password of the operator ${identifier}: `))
    if (password === undefined) {
      throw new PlainError(`Set BITKA_OPERATOR_PASSWORD to the password of ${identifier}, which make up printed once.`)
    }
    await client.auth.login({ identifier, password })
    return client
  }

  /** Whose id it is: from our own files, or asked as the operator. */
  async userIdOf(name: string, operator: BitkaClient): Promise<string> {
    const own = this.files.load(name)
    if (own?.user_id !== undefined && own.url === this.config.BITKA_URL) return own.user_id
    const { items } = await operator.admin.users({ query: name })
    const user = items.find(({ username }) => username.toLowerCase() === name.toLowerCase())
    if (!user) throw new PlainError(`There is no user ${name}: ./bitka register ${name}`)
    return user.id
  }

  private blank(name: string): PersonFile {
    return { url: this.config.BITKA_URL, identifier: name }
  }

  /** False when the exchange does not know them: its data is gone, or it is another one. */
  private async signIn(name: string, { identifier, password = '' }: PersonFile): Promise<boolean> {
    const client = this.client(name)
    try {
      await client.auth.login({ identifier, password })
      const { id } = await client.users.me()
      const person = this.files.load(name)
      if (person) this.files.save(name, { ...person, url: this.config.BITKA_URL, user_id: id })
      return true
    } catch (error) {
      if (error instanceof BitkaApiError && error.code === 'UNAUTHORIZED') return false
      throw error
    }
  }
}

async function isSignedIn(client: BitkaClient): Promise<boolean> {
  try {
    await client.users.me()
    return true
  } catch (error) {
    if (error instanceof BitkaApiError && error.code === 'UNAUTHORIZED') return false
    throw error
  }
}

const newPassword = (): string => randomBytes(18).toString('base64url')
