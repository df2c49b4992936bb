/** Where the WebSocket is. */
export const STREAM_PATH = '/v1/marketdata/stream'
