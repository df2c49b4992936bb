import { create, type DescMethod, type DescService, fromBinary, type Message, toBinary } from '@bufbuild/protobuf'
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js'

/** A protobuf-es method as grpc-js wants it. The types are the bridge's own: callers see the ones of the service. */
export type MeshMethod = MethodDefinition<object, object> & { desc: DescMethod }

/** `/package.Service/Method`. */
export const methodPath = (method: DescMethod): string => `/${method.parent.typeName}/${method.name}`

/**
 * All methods of a service, by local name.
 * @throws for client and bidi streaming, which the mesh does not carry
 */
export function meshMethods(service: DescService): Map<string, MeshMethod> {
  return new Map(service.methods.map((method) => [method.localName, meshMethod(method)]))
}

/** For servers and clients that are built on grpc-js directly, such as the development CA and probes. */
export const grpcDefinition = (service: DescService): ServiceDefinition => Object.fromEntries(meshMethods(service))

function meshMethod(desc: DescMethod): MeshMethod {
  const path = methodPath(desc)
  if (desc.methodKind !== 'unary' && desc.methodKind !== 'server_streaming') {
    throw new Error(`${path} is ${desc.methodKind}: the mesh carries unary and server streaming only`)
  }
  return {
    desc,
    path,
    requestStream: false,
    responseStream: desc.methodKind === 'server_streaming',
    requestSerialize: serializer(desc.input),
    requestDeserialize: deserializer(desc.input),
    responseSerialize: serializer(desc.output),
    responseDeserialize: deserializer(desc.output),
    originalName: desc.localName,
  }
}

function serializer(desc: DescMethod['input']): (value: object) => Buffer {
  return (value) => {
    // A message of this type stays as it is; a plain object is filled up.
    const bytes = toBinary(desc, create(desc, value as Record<string, unknown>))
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
}

const deserializer =
  (desc: DescMethod['input']) =>
  (bytes: Buffer): Message =>
    fromBinary(desc, bytes)
