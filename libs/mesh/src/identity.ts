import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import { DomainError, type Logger } from '@bitka/kernel'
import { SpiffeWorkloadAPI, type X509SVIDResponse } from '@bitka/proto/spiffe/workload_pb'
import { Client, type ClientReadableStream, credentials, Metadata } from '@grpc/grpc-js'
import type { Registry } from 'prom-client'
import { meshMethods } from './bridge.ts'
import { type IdentityMetrics, meshMetrics } from './metrics.ts'
import { parseSpiffeId } from './names.ts'
import { peerId } from './peer.ts'
import { splitDer, toPem } from './pem.ts'

/** The first pause after a stream that ended; doubles up to the second. */
const RETRY_MS_MIN = 200
const RETRY_MS_MAX = 10_000

/** What this workload is, in the forms that TLS libraries take. */
export type IdentityMaterial = {
  spiffeId: string
  trustDomain: string
  /** Leaf first, then what leads to the root. */
  certificatePem: string
  /** PKCS#8. */
  privateKeyPem: string
  /** The roots to trust: all of them, during a change of the root. */
  bundlePem: string
  notBeforeMs: number
  notAfterMs: number
}

export type WorkloadIdentityOptions = {
  /** The Workload API's socket: a path, or `unix:PATH` as in SPIFFE_ENDPOINT_SOCKET. */
  socketPath: string
  /** Who we are to be: taken from an answer with several identities, and waited for while it is not in it. Default: the first. */
  expect?: string
  log: Logger
  metrics?: Registry
}

/**
 * This workload's X.509 identity, kept fresh by the stream of the SPIFFE Workload API. Servers and clients of the mesh take
 * each new certificate for new connections; open connections end by the server's maximum age.
 */
export class WorkloadIdentity {
  private material: IdentityMaterial | undefined
  private context: SecureContext | undefined
  private readonly listeners = new Set<(material: IdentityMaterial) => void>()
  private readonly waiting = new Set<{ resolve: () => void; reject: (reason: Error) => void }>()
  private readonly metrics: IdentityMetrics
  private readonly client: Client
  private stream: ClientReadableStream<object> | undefined
  private retryTimer: NodeJS.Timeout | undefined
  private retryMs = RETRY_MS_MIN
  private closed = false

  private constructor(private readonly options: WorkloadIdentityOptions) {
    this.metrics = meshMetrics(options.metrics).identity
    const path = options.socketPath.replace(/^unix:(\/\/)?/, '')
    // The socket itself tells the API who we are, so nothing protects the channel but the socket's permissions.
    this.client = new Client(`unix:${path}`, credentials.createInsecure(), {
      'grpc.initial_reconnect_backoff_ms': RETRY_MS_MIN,
      'grpc.max_reconnect_backoff_ms': RETRY_MS_MAX,
      'grpc.enable_http_proxy': 0,
    })
    this.listen()
  }

  /** Starts to listen; the first certificate is there once `ready()` resolves. */
  static connect(options: WorkloadIdentityOptions): WorkloadIdentity {
    return new WorkloadIdentity(options)
  }

  /** Resolves with the first certificate; waits for as long as the Workload API keeps us waiting, unless `timeoutMs` is given. */
  async ready(options: { timeoutMs?: number } = {}): Promise<void> {
    if (this.material) return
    if (this.closed) throw new DomainError('unavailable', 'The workload identity is closed.')
    const { timeoutMs } = options
    await new Promise<void>((resolve, reject) => {
      const waiter = { resolve: settle(resolve), reject: settle(reject) }
      const timer =
        timeoutMs === undefined
          ? undefined
          : setTimeout(
              () => waiter.reject(new DomainError('unavailable', 'No workload identity was issued in time.')),
              timeoutMs,
            )
      const { waiting } = this
      waiting.add(waiter)
      function settle<A extends unknown[]>(end: (...args: A) => void): (...args: A) => void {
        return (...args) => {
          clearTimeout(timer)
          waiting.delete(waiter)
          end(...args)
        }
      }
    })
  }

  /** The newest material. Throws before `ready()`. */
  current(): IdentityMaterial {
    if (!this.material) throw new DomainError('unavailable', 'This workload has no identity yet.')
    return this.material
  }

  /** False before `ready()`, and when the Workload API has been away for so long that nobody believes our certificate. */
  isValid(): boolean {
    return this.material !== undefined && this.material.notAfterMs > Date.now()
  }

  /** TLS 1.3 with the newest certificate, for connections that we open. */
  secureContext(): SecureContext {
    this.context ??= createSecureContext(tlsMaterial(this.current()))
    return this.context
  }

  /** Called, outside of the caller's stack, with each new material; answers a function that ends it. */
  onUpdate(listener: (material: IdentityMaterial) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  close(): void {
    this.closed = true
    clearTimeout(this.retryTimer)
    this.stream?.cancel()
    this.client.close()
    this.listeners.clear()
    for (const waiter of this.waiting) waiter.reject(new DomainError('unavailable', 'The workload identity is closed.'))
  }

  private listen(): void {
    const metadata = new Metadata()
    metadata.set('workload.spiffe.io', 'true')
    const { path, requestSerialize, responseDeserialize } = fetchX509Svid
    const stream = this.client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {}, metadata)
    this.stream = stream
    let ended = false
    // "error" and "end" may both come for one stream; PERMISSION_DENIED only means that nobody has registered us yet.
    const again = (reason: unknown) => {
      if (ended || this.closed) return
      ended = true
      this.metrics.failed()
      this.options.log.warn({ err: reason, retry_ms: this.retryMs }, 'the workload API stream ended')
      this.retryTimer = setTimeout(() => this.listen(), this.retryMs)
      this.retryMs = Math.min(this.retryMs * 2, RETRY_MS_MAX)
    }
    stream.on('data', (response: X509SVIDResponse) => this.receive(response))
    stream.on('error', again)
    stream.on('end', () => again(undefined))
  }

  private receive(response: X509SVIDResponse): void {
    if (this.closed) return
    try {
      this.material = toMaterial(response, this.options.expect)
    } catch (error) {
      this.metrics.failed()
      this.options.log.error({ err: error }, 'the workload API sent an unusable identity; the previous one stays')
      return
    }
    const { material } = this
    this.context = undefined
    this.retryMs = RETRY_MS_MIN
    this.metrics.updated(material.notAfterMs)
    this.options.log.debug(
      { spiffe_id: material.spiffeId, not_after: new Date(material.notAfterMs) },
      'identity updated',
    )
    for (const waiter of this.waiting) waiter.resolve()
    for (const listener of this.listeners) setImmediate(listener, material)
  }
}

const fetchX509Svid = (() => {
  const method = meshMethods(SpiffeWorkloadAPI).get(SpiffeWorkloadAPI.method.fetchX509SVID.localName)
  if (!method) throw new Error('the Workload API lacks FetchX509SVID')
  return method
})()

/** What every TLS context of the mesh has. */
export const tlsMaterial = (material: IdentityMaterial) => ({
  ca: material.bundlePem,
  cert: material.certificatePem,
  key: material.privateKeyPem,
  minVersion: 'TLSv1.3' as const,
})

/** The identity of an answer that is expected, or its default, checked as far as its receiver can. */
function toMaterial({ svids }: X509SVIDResponse, expect: string | undefined): IdentityMaterial {
  const svid = expect === undefined ? svids[0] : svids.find(({ spiffeId }) => spiffeId === expect)
  if (!svid) {
    const others = svids.map(({ spiffeId }) => spiffeId).join(', ') || 'none'
    throw new Error(`${expect ?? 'an identity'} is not in the answer, which has ${others}`)
  }
  const id = parseSpiffeId(svid.spiffeId)
  if (!id) throw new Error('the identity is no SPIFFE ID')
  const chain = splitDer(svid.x509Svid)
  const [leafDer] = chain
  if (!leafDer) throw new Error('no certificate in the answer')
  const leaf = new X509Certificate(leafDer)
  if (peerId({ subjectaltname: leaf.subjectAltName ?? '', ca: leaf.ca }, id.trustDomain).id !== id.id) {
    throw new Error('the certificate names somebody else')
  }
  const key = createPrivateKey({ key: Buffer.from(svid.x509SvidKey), format: 'der', type: 'pkcs8' })
  if (!leaf.checkPrivateKey(key)) throw new Error('the key is not the one of the certificate')
  const roots = splitDer(svid.bundle)
  if (roots.length === 0) throw new Error('no roots in the answer')
  return {
    spiffeId: id.id,
    trustDomain: id.trustDomain,
    certificatePem: chain.map((der) => toPem('CERTIFICATE', der)).join(''),
    privateKeyPem: toPem('PRIVATE KEY', svid.x509SvidKey),
    bundlePem: roots.map((der) => toPem('CERTIFICATE', der)).join(''),
    notBeforeMs: Date.parse(leaf.validFrom),
    notAfterMs: Date.parse(leaf.validTo),
  }
}
