import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DevCa, issueForeignSvid, startDevCa, svidFiles } from '@bitka/dev-ca'
import { type KafkaConnection, type KafkaTls, syncKafkaTopics, type TopicTable } from '@bitka/events'
import { silentLogger } from '@bitka/kernel'
import { brokerCheck } from '@bitka/service'
import { freePorts } from '@bitka/supervisor'
import { infrastructure, serviceTable } from '../table/index.ts'
import { type NativeKafka, startKafka } from './native.ts'
import { principalOf } from './server-properties.ts'

/** A broker with its own CA and its own data, for tests and the bench. */
export type TestKafka = {
  readonly broker: NativeKafka
  readonly ca: DevCa
  readonly dir: string
  readonly logFile: string
  /** As a workload of the mesh, with the certificate that it has at the moment. */
  connect(name: string): KafkaConnection
  /** TLS of a client that shows this certificate. */
  tls(svid: { certificatePem: string; privateKeyPem: string }): KafkaTls
  /** TLS of a client whose certificate another CA has signed. */
  foreign(uris: string[]): Promise<KafkaTls>
  /** Topics, and the rules that belong to them. */
  sync(topics: TopicTable): Promise<void>
  stop(): Promise<void>
}

const TRUST_DOMAIN = 'bitka.local'

/** Starts a broker below the temporary folder; as root under the account that it has on a native stack. */
export async function startTestKafka(parts: string): Promise<TestKafka> {
  const dir = mkdtempSync(join(tmpdir(), 'bitka-kafka-'))
  const stops: (() => Promise<void>)[] = [async () => rmSync(dir, { recursive: true, force: true })]
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).reverse()) await each()
  }
  try {
    const identityDir = join(dir, 'identity')
    const filesOf = (name: string): string => join(identityDir, 'files', name)
    mkdirSync(join(identityDir, 'files'), { recursive: true })
    const uid = process.getuid?.() === 0 ? infrastructure.find(({ name }) => name === 'kafka')?.uid : undefined
    const ca = await startDevCa({
      dir: identityDir,
      trustDomain: TRUST_DOMAIN,
      log: silentLogger,
      services: [...serviceTable, { name: 'kafka' }, { name: 'kafka-admin' }].map(({ name }) => ({
        name,
        filesDir: filesOf(name),
        ...(name === 'kafka' && { dnsNames: ['localhost'], uid }),
      })),
    })
    stops.push(() => ca.stop())
    for (const open of [dir, identityDir, join(identityDir, 'files')]) chmodSync(open, 0o711)
    const logFile = join(dir, 'kafka.log')
    const [port = 0, controllerPort = 0] = await freePorts(2)
    const broker = await startKafka({
      parts,
      dataDir: join(dir, 'kafka'),
      tls: svidFiles(filesOf('kafka')),
      trustDomain: TRUST_DOMAIN,
      uid,
      port,
      controllerPort,
      logFile,
      adminFilesDir: filesOf('kafka-admin'),
    })
    stops.push(() => broker.stop())
    const roots = (): string => readFileSync(svidFiles(filesOf('kafka-admin')).caFile, 'utf8')
    const connect: TestKafka['connect'] = (name) => ({
      brokers: [broker.brokers],
      service: name,
      logger: silentLogger,
      tls: () => {
        const now = svidFiles(join(filesOf(name), readlinkSync(join(filesOf(name), '..data'))))
        const [key, cert, bundle] = [now.keyFile, now.certFile, now.caFile].map((file) => readFileSync(file, 'utf8'))
        return { key: key ?? '', cert: cert ?? '', ca: bundle ?? '', checkServerIdentity: brokerCheck(TRUST_DOMAIN) }
      },
    })
    const tls: TestKafka['tls'] = ({ certificatePem: cert, privateKeyPem: key }) => ({
      key,
      cert,
      ca: roots(),
      checkServerIdentity: brokerCheck(TRUST_DOMAIN),
    })
    return {
      broker,
      ca,
      dir,
      logFile,
      connect,
      tls,
      foreign: async (uris) => tls(await issueForeignSvid(TRUST_DOMAIN, uris)),
      async sync(topics) {
        await syncKafkaTopics({
          ...connect('kafka-admin'),
          replicationFactor: 1,
          principal: (service) => principalOf(TRUST_DOMAIN, service),
          topics,
          keepForeignRules: true,
        })
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
