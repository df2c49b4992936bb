import { readFileSync } from 'node:fs'
import {
  aclText,
  auditTopic,
  describePlan,
  kafkaAcls,
  kafkaLimits,
  planKafka,
  serviceNames,
  type TopicTable,
  topics,
  wantedState,
} from '@bitka/events'
import { spiffeId } from '@bitka/mesh'
import { namespace, serviceTable } from '../table/index.ts'
import { composeProperties, principalOf, renderServerProperties } from './server-properties.ts'

const trustDomain = 'bitka.local'
const principal = (service: string) => principalOf(trustDomain, service)
const rules = kafkaAcls(topics, principal).map(aclText)

describe('the access rules', () => {
  it('name the SVIDs of the service table, and nobody else', () => {
    const svids = serviceTable.map(({ name }) => `User:${spiffeId(trustDomain, name)}`)
    const named = new Set(kafkaAcls(topics, principal).map((acl) => acl.principal))
    expect([...named].sort()).toEqual([...svids].sort())
    expect(svids).toContain(`User:spiffe://${trustDomain}/ns/${namespace}/sa/order`)
    expect([...serviceNames].sort()).toEqual(serviceTable.map(({ name }) => name).sort())
  })

  it('allow, and deny nothing: what is not allowed is denied', () => {
    expect(rules.filter((rule) => !rule.startsWith('allow User:spiffe://'))).toEqual([])
  })

  it('let a service write what the table of topics lets it produce', () => {
    for (const { name } of serviceTable) {
      const prefix = `allow ${principal(name)} WRITE TOPIC `
      const writes = rules.filter((rule) => rule.startsWith(prefix)).map((rule) => rule.slice(prefix.length))
      const produces = Object.entries(topics).filter(([, { producers }]) => producers.includes(name))
      expect(writes.sort()).toEqual(produces.map(([topic]) => topic).sort())
    }
  })

  it('give the groups of a service to that service alone', () => {
    const groups = rules.filter((rule) => rule.includes(' GROUP ')).sort()
    expect(groups).toEqual(serviceNames.map((name) => `allow ${principal(name)} READ GROUP ${name}.*`).sort())
    // "order." must not be the beginning of another service's groups.
    for (const one of serviceNames)
      for (const other of serviceNames) if (one !== other) expect(`${other}.x`.startsWith(`${one}.`)).toBe(false)
  })
})

describe('the plan', () => {
  const table: TopicTable = {
    kept: { producers: ['order'], consumers: ['matching'], partitions: 4, money: true, key: 'market' },
    pruned: { producers: ['auth'], consumers: [], partitions: 1, money: false, key: 'user', retentionMs: 5_000 },
  }
  const wanted = wantedState({ topics: table, replicationFactor: 3, principal })
  const acls = wanted.acls ?? []
  const settled = new Map(wanted.topics.map(({ topic, partitions, config }) => [topic, { partitions, config }]))

  it('is empty where everything is as it should be', () => {
    expect(describePlan(planKafka(wanted, { topics: settled, acls }))).toEqual([])
  })

  it('makes everything on an empty broker', () => {
    const plan = planKafka(wanted, { topics: new Map(), acls: [] })
    expect(
      plan.create.map(({ topic, config }) => [topic, config['retention.ms'], config['min.insync.replicas']]),
    ).toEqual([
      ['kept', '-1', '2'],
      ['pruned', '5000', '2'],
    ])
    expect(plan.create[0]?.config).toMatchObject({
      'max.message.bytes': String(kafkaLimits.maxBatchBytes),
      'unclean.leader.election.enable': 'false',
    })
    expect(plan.allow).toEqual(acls)
    expect(plan.revoke).toEqual([])
  })

  it('adds partitions and rules that are missing, sets what was changed, removes foreign rules', () => {
    const foreign = { ...acls[0], principal: 'User:CN=somebody' } as (typeof acls)[number]
    const kept = settled.get('kept')
    const found = new Map([
      ...settled,
      ['kept', { partitions: 2, config: { ...kept?.config, 'retention.ms': '1000' } }] as const,
      ['stray', { partitions: 1, config: {} }] as const,
      ['__consumer_offsets', { partitions: 4, config: {} }] as const,
    ])
    const plan = planKafka(wanted, { topics: found, acls: [...acls.slice(1), foreign] })
    expect(plan).toMatchObject({
      create: [],
      grow: [{ topic: 'kept', from: 2, to: 4 }],
      configure: [{ topic: 'kept' }],
      allow: [acls[0]],
      revoke: [foreign],
      unknown: ['stray'],
      larger: [],
    })
    expect(describePlan(plan)).toContain('add partitions to kept: 2 to 4')
  })

  it('never takes partitions away', () => {
    const found = new Map([...settled, ['kept', { partitions: 8, config: settled.get('kept')?.config ?? {} }] as const])
    const plan = planKafka(wanted, { topics: found, acls })
    expect(plan).toMatchObject({ grow: [], configure: [], larger: [{ topic: 'kept', has: 8, wanted: 4 }] })
  })

  it('keeps for ever what is money or evidence, for every topic of the table', () => {
    for (const { topic, config } of wantedState({ topics, replicationFactor: 1 }).topics) {
      expect(config['retention.ms'] === '-1').toBe(topics[topic as keyof typeof topics].money)
    }
    expect(topics[auditTopic('ledger')].money).toBe(true)
  })
})

describe('server.properties', () => {
  const text = renderServerProperties({
    trustDomain,
    svidFiles: ['/id/keystore.pem'],
    bundleFile: '/id/bundle.pem',
    dataDir: '/data',
    host: '127.0.0.1',
    port: 9093,
    advertised: 'localhost:9093',
    controller: '127.0.0.1:9094',
  })

  it('speaks TLS to everybody, and denies what no rule allows', () => {
    expect(text).toContain('listener.security.protocol.map=SSL:SSL,CONTROLLER:SSL\n')
    expect(text).toContain('ssl.client.auth=required\n')
    expect(text).toContain('allow.everyone.if.no.acl.found=false\n')
    expect(text).toContain(
      'super.users=User:spiffe://bitka.local/ns/bitka/sa/kafka;User:spiffe://bitka.local/ns/bitka/sa/kafka-admin\n',
    )
    expect(text).not.toMatch(/PLAINTEXT|SASL/)
  })

  it('is what compose runs', () => {
    const file = new URL('server.compose.properties', import.meta.url)
    expect(readFileSync(file, 'utf8')).toBe(composeProperties())
  })
})
