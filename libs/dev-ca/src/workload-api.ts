import { chmod, chown, rm } from 'node:fs/promises'
import { grpcDefinition } from '@bitka/mesh'
import { SpiffeWorkloadAPI } from '@bitka/proto/spiffe/workload_pb'
import type { MessageInitShape } from '@bufbuild/protobuf'
import { Server, ServerCredentials, type ServerWritableStream, status } from '@grpc/grpc-js'

/** What one workload is sent. */
export type Answer = {
  svid: MessageInitShape<typeof SpiffeWorkloadAPI.method.fetchX509SVID.output>
  bundles: MessageInitShape<typeof SpiffeWorkloadAPI.method.fetchX509Bundles.output>
}

type Stream = ServerWritableStream<object, object>

/** The Workload API on one socket, for the one workload that may open it. */
export class WorkloadSocket {
  private readonly server = new Server()
  private readonly svidStreams = new Set<Stream>()
  private readonly bundleStreams = new Set<Stream>()
  private answer: Answer | undefined

  constructor(readonly path: string) {
    this.server.addService(grpcDefinition(SpiffeWorkloadAPI), {
      fetchX509SVID: (call: Stream) => this.accept(call, this.svidStreams, (answer) => answer.svid),
      fetchX509Bundles: (call: Stream) => this.accept(call, this.bundleStreams, (answer) => answer.bundles),
    })
  }

  /** Opens the socket, for `uid` alone. The directory must be closed to others until this has resolved: chmod follows bind. */
  async open(uid: number | undefined): Promise<void> {
    await rm(this.path, { force: true })
    await new Promise<void>((resolve, reject) => {
      this.server.bindAsync(`unix:${this.path}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      )
    })
    await chmod(this.path, 0o600)
    if (uid !== undefined) await chown(this.path, uid, -1)
  }

  /** Sends to all who listen, and to those who come later. */
  send(answer: Answer): void {
    this.answer = answer
    for (const call of this.svidStreams) call.write(answer.svid)
    for (const call of this.bundleStreams) call.write(answer.bundles)
  }

  async close(): Promise<void> {
    this.server.forceShutdown()
    await rm(this.path, { force: true })
  }

  private accept(call: Stream, streams: Set<Stream>, part: (answer: Answer) => object): void {
    // The header keeps a browser that was tricked into calling a local port from getting an answer.
    if (call.metadata.get('workload.spiffe.io')[0] !== 'true') {
      call.emit('error', { code: status.INVALID_ARGUMENT, details: 'security header missing from request' })
      return
    }
    streams.add(call)
    call.once('cancelled', () => {
      streams.delete(call)
      call.end()
    })
    if (this.answer) call.write(part(this.answer))
  }
}
