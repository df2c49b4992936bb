import { execFile, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { kafkaManifest } from '@bitka/deploy/k8s'
import { kafkaReady, prepareKafka, principalOf } from '@bitka/deploy/kafka'
import { ensureKafka, stackHome } from '@bitka/deploy/native'
import { infrastructure } from '@bitka/deploy/table'
import { startDevCa, svidFiles } from '@bitka/dev-ca'
import { kafkaAcls, openKafkaLog, syncKafkaTopics, type TopicTable } from '@bitka/events'
import { silentLogger } from '@bitka/kernel'
import { brokerCheck } from '@bitka/service'
import { freePorts } from '@bitka/supervisor'
import { waitFor } from '@bitka/testkit'

const run = promisify(execFile)
const trustDomain = 'bitka.local'
const topics: TopicTable = {
  'test.one': { producers: ['order'], consumers: ['ledger'], partitions: 2, money: true, key: 'market' },
}

/** Files of an authority that is not the mesh's, as Strimzi has one for its own listeners. */
async function strimziCertificate(dir: string): Promise<{ keystore: string; truststore: string }> {
  const at = (name: string): string => join(dir, name)
  const openssl = (...args: string[]): Promise<unknown> => run('openssl', args)
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  await openssl(
    'req',
    '-x509',
    ...ec,
    '-keyout',
    at('ca.key'),
    '-out',
    at('ca.crt'),
    '-subj',
    '/O=io.strimzi/CN=cluster-ca',
  )
  await openssl('req', ...ec, '-keyout', at('own.key'), '-out', at('own.csr'), '-subj', '/O=io.strimzi/CN=bitka-kafka')
  writeFileSync(at('ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n')
  const signing = ['-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-CAcreateserial', '-extfile', at('ext')]
  await openssl('x509', '-req', '-in', at('own.csr'), ...signing, '-out', at('own.crt'))
  writeFileSync(at('keystore.pem'), readFileSync(at('own.key'), 'utf8') + readFileSync(at('own.crt'), 'utf8'))
  return { keystore: at('keystore.pem'), truststore: at('ca.crt') }
}

/** What Strimzi writes of our Kafka resource, for one node: its listeners with its certificates, ours with what we say. */
function strimziProperties(
  dir: string,
  ports: number[],
  tls: { keystore: string; truststore: string },
  files: { own: string; roots: string },
): string {
  const { spec } = kafkaManifest()
  const [listener] = spec.kafka.listeners
  if (!listener) throw new Error('the Kafka resource has no listener')
  const [mesh, replication, control] = ports
  const name = `${listener.name}-${listener.port}`
  const pem = (prefix: string): Record<string, string> => ({
    [`${prefix}ssl.keystore.type`]: 'PEM',
    [`${prefix}ssl.keystore.location`]: tls.keystore,
    [`${prefix}ssl.truststore.type`]: 'PEM',
    [`${prefix}ssl.truststore.location`]: tls.truststore,
    [`${prefix}ssl.client.auth`]: 'required',
  })
  const own = Object.entries(listener.authentication.listenerConfig)
  const properties: Record<string, string> = {
    ...Object.fromEntries(Object.entries(spec.kafka.config).map(([key, value]) => [key, String(value)])),
    ...pem('listener.name.controlplane-9090.'),
    ...pem('listener.name.replication-9091.'),
    ...pem(`listener.name.${name}.`),
    ...Object.fromEntries(own.map(([key, value]) => [`listener.name.${name}.${key}`, value])),
    'spiffe.svid.files': files.own,
    'spiffe.bundle.file': files.roots,
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${control}`,
    'controller.listener.names': 'CONTROLPLANE-9090',
    'inter.broker.listener.name': 'REPLICATION-9091',
    listeners: `CONTROLPLANE-9090://127.0.0.1:${control},REPLICATION-9091://127.0.0.1:${replication},${name.toUpperCase()}://127.0.0.1:${mesh}`,
    'advertised.listeners': `REPLICATION-9091://127.0.0.1:${replication},${name.toUpperCase()}://localhost:${mesh}`,
    'listener.security.protocol.map': `CONTROLPLANE-9090:SSL,REPLICATION-9091:SSL,${name.toUpperCase()}:SSL`,
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': ['CN=bitka-kafka,O=io.strimzi', ...spec.kafka.authorization.superUsers]
      .map((user) => `User:${user}`)
      .join(';'),
    'log.dirs': join(dir, 'kafka', 'data'),
    // One node here where the resource has three.
    ...Object.fromEntries(
      ['offsets.topic', 'transaction.state.log', 'share.coordinator.state.topic'].flatMap((key) => [
        [`${key}.replication.factor`, '1'],
        [`${key}.num.partitions`, '4'],
      ]),
    ),
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'min.insync.replicas': '1',
    'default.replication.factor': '1',
  }
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}

it('what Strimzi makes of our Kafka resource is a broker that knows the mesh by its SPIFFE IDs and takes our rules', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'bitka-strimzi-'))
  chmodSync(dir, 0o711)
  const uid = process.getuid?.() === 0 ? infrastructure.find(({ name }) => name === 'kafka')?.uid : undefined
  const filesOf = (name: string): string => join(dir, 'identity', 'files', name)
  mkdirSync(join(dir, 'identity', 'files'), { recursive: true })
  const ca = await startDevCa({
    dir: join(dir, 'identity'),
    trustDomain,
    log: silentLogger,
    services: ['kafka', 'kafka-admin', 'order', 'ledger'].map((name) => ({
      name,
      filesDir: filesOf(name),
      ...(name === 'kafka' && { dnsNames: ['localhost'], uid }),
    })),
  })
  for (const open of ['identity', 'identity/files']) chmodSync(join(dir, open), 0o711)
  const tls = await strimziCertificate(dir)
  for (const file of [tls.keystore, tls.truststore]) if (uid !== undefined) chownSync(file, uid, uid)
  const ports = await freePorts(3)
  const kafkaFiles = svidFiles(filesOf('kafka'))
  const program = await prepareKafka({
    parts: await ensureKafka(stackHome()),
    dataDir: join(dir, 'kafka'),
    tls: kafkaFiles,
    trustDomain,
    uid,
  })
  const text = strimziProperties(dir, ports, tls, { own: kafkaFiles.keystoreFile, roots: kafkaFiles.caFile })
  writeFileSync(join(dir, 'kafka', 'server.properties'), text)
  const log = createWriteStream(join(dir, 'kafka.log'))
  const broker = spawn(program.command, program.args, {
    cwd: program.cwd,
    env: program.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid !== undefined && { uid, gid: uid }),
  })
  broker.stdout.pipe(log)
  broker.stderr.pipe(log)
  const ended = new Promise((resolve) => broker.once('exit', resolve))
  try {
    const address = `localhost:${ports[0]}`
    await waitFor(
      async () => {
        if (broker.exitCode !== null) throw new Error(readFileSync(join(dir, 'kafka.log'), 'utf8').slice(-4_000))
        return await kafkaReady(address, svidFiles(filesOf('kafka-admin')))
      },
      { timeoutMs: 60_000 },
    )
    const connect = (name: string) => ({
      brokers: [address],
      service: name,
      logger: silentLogger,
      tls: () => {
        const files = svidFiles(filesOf(name))
        const [key, cert, roots] = [files.keyFile, files.certFile, files.caFile].map((file) =>
          readFileSync(file, 'utf8'),
        )
        return { key: key ?? '', cert: cert ?? '', ca: roots ?? '', checkServerIdentity: brokerCheck(trustDomain) }
      },
    })
    const principal = (service: string): string => principalOf(trustDomain, service)
    const sync = () => syncKafkaTopics({ ...connect('kafka-admin'), replicationFactor: 1, principal, topics })
    // Making topics and rules goes from the broker to the controller, under the caller's name.
    const made = await sync()
    expect(made.create.map(({ topic }) => topic)).toEqual(['test.one'])
    expect(made.allow).toHaveLength(kafkaAcls(topics, principal).length)
    const again = await sync()
    expect([...again.create, ...again.allow, ...again.revoke]).toEqual([])
    const order = await openKafkaLog(connect('order'))
    const ledger = await openKafkaLog(connect('ledger'))
    try {
      const record = { key: 'k', partition: 0, value: Buffer.from('v'), headers: {} }
      await order.append('test.one', [record])
      await expect(ledger.append('test.one', [record])).rejects.toThrow()
      expect((await ledger.latestOffsets('test.one')).reduce((sum, offset) => sum + offset, 0n)).toBe(1n)
    } finally {
      await Promise.all([order.close(), ledger.close()])
    }
  } finally {
    broker.kill('SIGTERM')
    await ended
    await ca.stop()
    rmSync(dir, { recursive: true, force: true })
  }
})
