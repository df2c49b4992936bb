/** What we use of a WebSocket; browsers', Node's and that of npm's ws all have it. */
export type WebSocketLike = {
  send(data: string): void
  close(code?: number, reason?: string): void
  addEventListener(type: 'open' | 'message' | 'close' | 'error', listener: (event: object) => void): void
}

/** Opens a connection, for example `(url) => new WebSocket(url)` with npm's ws on Node 20, which has none of its own. */
export type OpenWebSocket = (url: string) => WebSocketLike

export function openGlobalWebSocket(url: string): WebSocketLike {
  const { WebSocket } = globalThis as { WebSocket?: new (url: string) => WebSocketLike }
  if (!WebSocket) throw new Error('there is no global WebSocket here: pass webSocket')
  return new WebSocket(url)
}

/** ws:// or wss:// for an address of the API. */
export const streamUrl = (baseUrl: string): string => `${baseUrl.replace(/^http/, 'ws')}/v1/marketdata/stream`
