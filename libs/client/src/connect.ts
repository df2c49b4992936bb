import type { Interceptor } from '@connectrpc/connect'
import type { BitkaClient } from './client.ts'

/**
 * Signs the calls of a Connect client with this client's session. The Connect dialect is served at the same address:
 * `createConnectTransport({ baseUrl, interceptors: [connectAuth(client)] })` of @connectrpc/connect-web or -node.
 */
export const connectAuth =
  (client: BitkaClient): Interceptor =>
  (next) =>
  async (request) => {
    const token = await client.accessToken()
    if (token !== undefined) request.header.set('authorization', `Bearer ${token}`)
    return await next(request)
  }
