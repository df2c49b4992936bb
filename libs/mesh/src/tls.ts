import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import { connect, type SecureContextOptions } from 'node:tls'
import type { Logger } from '@bitka/kernel'
import {
  type CallCredentials,
  ChannelCredentials,
  credentials,
  type experimental,
  ServerCredentials,
} from '@grpc/grpc-js'
import { type IdentityMaterial, tlsMaterial, type WorkloadIdentity } from './identity.ts'
import type { ServiceName } from './names.ts'
import { PeerError, peerId } from './peer.ts'

// grpc-js's own certificate-provider credentials do the same without a minimum TLS version: they accept TLS 1.2 unless the
// whole process is started with --tls-min-v1.3. These two pin it, whatever the flags.

/** Without session tickets: a resumed session would not show its certificate again. */
const serverContext = (material: IdentityMaterial): SecureContextOptions => ({
  ...tlsMaterial(material),
  secureOptions: constants.SSL_OP_NO_TICKET,
})

/** What a server shows and demands: TLS 1.3, a client certificate of our trust domain's roots. Follows the identity. */
export class MeshServerCredentials extends ServerCredentials {
  /** Ends following the identity. */
  readonly release: () => void

  constructor(identity: WorkloadIdentity) {
    super({ requestCert: true, rejectUnauthorized: true }, serverContext(identity.current()))
    this.release = identity.onUpdate((material) => this.updateSecureContextOptions(serverContext(material)))
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other
  }
}

/** How a channel proves who we are and makes sure of who answers: the one service expected, by its SPIFFE ID. */
export class MeshChannelCredentials extends ChannelCredentials {
  constructor(
    private readonly identity: WorkloadIdentity,
    private readonly expect: ServiceName,
    private readonly log: Logger,
  ) {
    super()
  }

  override _isSecure(): boolean {
    return true
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other
  }

  override _createSecureConnector(
    _target: unknown,
    _options: unknown,
    callCredentials: CallCredentials = credentials.createEmpty(),
  ): experimental.SecureConnector {
    return {
      connect: (socket) => this.secure(socket),
      waitForReady: () => this.identity.ready(),
      getCallCredentials: () => callCredentials,
      destroy: () => {},
    }
  }

  private secure(socket: Socket): Promise<experimental.SecureConnectResult> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => {
        this.log.warn({ err: error, expect: this.expect }, 'cannot connect to a service of the mesh')
        reject(error)
      }
      const onClose = () => fail(new Error('the connection closed during the TLS handshake'))
      const secured = connect({
        socket,
        secureContext: this.identity.secureContext(),
        ALPNProtocols: ['h2'],
        checkServerIdentity: (_host, certificate) => this.refuse(certificate),
      })
      secured.once('error', fail)
      secured.once('close', onClose)
      secured.once('secureConnect', () => {
        secured.off('error', fail)
        secured.off('close', onClose)
        resolve({ socket: secured, secure: true })
      })
    })
  }

  /** The host name means nothing here: whoever answers must show the expected identity. */
  private refuse(certificate: Parameters<typeof peerId>[0]): Error | undefined {
    try {
      const id = peerId(certificate, this.identity.current().trustDomain)
      if (id.service === this.expect) return undefined
      return new PeerError('not_permitted', `expected ${this.expect} but ${id.id} answered`)
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    }
  }
}
