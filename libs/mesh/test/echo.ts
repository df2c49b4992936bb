import {
  DataClass,
  data_class,
  type RestMethod,
  RestMethodSchema,
  rest,
} from '@bitka/proto/bitka/options/v1/options_pb'
import { create, createFileRegistry, type Message, setExtension } from '@bufbuild/protobuf'
import type { GenMessage, GenService } from '@bufbuild/protobuf/codegenv2'
import {
  FieldDescriptorProtoSchema,
  FieldOptionsSchema,
  FieldDescriptorProto_Type as FieldType,
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  MethodOptionsSchema,
} from '@bufbuild/protobuf/wkt'

/** A service for the tests, described by hand so that no contract of ours has to hold still for them. */
const PACKAGE = 'bitka.test.v1'

export type EchoRequest = Message<'bitka.test.v1.EchoRequest'> & {
  text: string
  secret: string
  email: string
  balance: bigint
  unclassified: string
  many: EchoRequest[]
  blob: Uint8Array
}
type EchoResponse = Message<'bitka.test.v1.EchoResponse'> & { text: string; count: bigint }

type Unary = { methodKind: 'unary'; input: GenMessage<EchoRequest>; output: GenMessage<EchoResponse> }
type ServerStream = { methodKind: 'server_streaming'; input: GenMessage<EchoRequest>; output: GenMessage<EchoResponse> }
type EchoMethods = { echo: Unary; whoAmI: Unary; signIn: Unary; look: Unary; operate: Unary; watch: ServerStream }

function field(name: string, number: number, type: FieldType, dataClass: DataClass, extra: object = {}) {
  const options = create(FieldOptionsSchema)
  if (dataClass !== DataClass.UNSPECIFIED) setExtension(options, data_class, dataClass)
  return create(FieldDescriptorProtoSchema, {
    name,
    jsonName: name,
    number,
    type,
    label: Label.OPTIONAL,
    options,
    ...extra,
  })
}

function method(name: string, streaming = false, restMethod: Partial<RestMethod> = {}) {
  const options = create(MethodOptionsSchema)
  setExtension(options, rest, create(RestMethodSchema, { ignoresToken: restMethod.ignoresToken }))
  return {
    name,
    inputType: `.${PACKAGE}.EchoRequest`,
    outputType: `.${PACKAGE}.EchoResponse`,
    serverStreaming: streaming,
    options,
  }
}

const file = create(FileDescriptorProtoSchema, {
  name: 'bitka/test/v1/echo.proto',
  package: PACKAGE,
  syntax: 'proto3',
  messageType: [
    {
      name: 'EchoRequest',
      field: [
        field('text', 1, FieldType.STRING, DataClass.PUBLIC),
        field('secret', 2, FieldType.STRING, DataClass.CRITICAL),
        field('email', 3, FieldType.STRING, DataClass.RESTRICTED),
        field('balance', 4, FieldType.INT64, DataClass.CONFIDENTIAL),
        field('unclassified', 5, FieldType.STRING, DataClass.UNSPECIFIED),
        field('many', 6, FieldType.MESSAGE, DataClass.UNSPECIFIED, {
          label: Label.REPEATED,
          typeName: `.${PACKAGE}.EchoRequest`,
        }),
        field('blob', 7, FieldType.BYTES, DataClass.PUBLIC),
      ],
    },
    {
      name: 'EchoResponse',
      field: [
        field('text', 1, FieldType.STRING, DataClass.PUBLIC),
        field('count', 2, FieldType.INT64, DataClass.PUBLIC),
      ],
    },
  ],
  service: [
    {
      name: 'EchoService',
      method: [
        method('Echo'),
        method('WhoAmI'),
        method('SignIn', false, { ignoresToken: true }),
        method('Look'),
        method('Operate'),
        method('Watch', true),
      ],
    },
    { name: 'UploadService', method: [{ ...method('Upload'), clientStreaming: true }] },
  ],
})

const registry = createFileRegistry(file, () => undefined)

function service<T>(name: string): T {
  const found = registry.getService(`${PACKAGE}.${name}`)
  if (!found) throw new Error(`no ${name}`)
  return found as T
}

export const EchoService = service<GenService<EchoMethods>>('EchoService')
export const UploadService = service<GenService<Record<never, never>>>('UploadService')
export const EchoRequestSchema: GenMessage<EchoRequest> = EchoService.method.echo.input
