import { DomainError } from '@bitka/kernel'
import kafkajs from 'kafkajs'
import { partitionOf } from './partitioner.ts'
import { backoffMs, defaultRetry, isTransient } from './retry.ts'
import { auditTopics, serviceNames, topics } from './topics.ts'

describe('backoffMs', () => {
  it('doubles the ceiling up to the cap', () => {
    const ceilings = [1, 2, 3, 6, 7, 5000].map((attempt) => backoffMs(defaultRetry, attempt, () => 0.999999))
    expect(ceilings).toEqual([750, 1501, 3003, 24031, 29999, 29999])
  })
  it('may be anything below the ceiling, zero too', () => expect(backoffMs(defaultRetry, 3, () => 0)).toBe(0))
})

describe('isTransient', () => {
  it.each([
    [new DomainError('unavailable', 'x'), true],
    [new DomainError('deadline_exceeded', 'x'), true],
    [new DomainError('conflict', 'x'), false],
    [Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), true],
    [Object.assign(new Error('x'), { code: '40P01' }), true],
    [Object.assign(new Error('x'), { code: '23505' }), false],
    [new Error('Connection terminated unexpectedly'), true],
    [new Error('a bug'), false],
    ['a string', false],
  ])('%s', (error, expected) => expect(isTransient(error)).toBe(expected))
})

describe('partitionOf', () => {
  it('agrees with kafkajs, and so with the Java client', () => {
    const theirs = kafkajs.Partitioners.DefaultPartitioner()
    for (const count of [1, 2, 4, 7, 64]) {
      const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({
        partitionErrorCode: 0,
        partitionId,
        leader: 0,
        replicas: [0],
        isr: [0],
      }))
      for (const key of [
        'a',
        'ab',
        'abc',
        'abcd',
        'BTC-THB',
        'ETH-THB',
        '☃',
        '018f6d1e-7c7a-7bd4-a0a3-8a0bfb1f1a55',
        'ลูกค้า',
      ]) {
        expect(partitionOf(key, count)).toBe(theirs({ topic: 't', partitionMetadata, message: { key, value: null } }))
      }
    }
  })
})

describe('the table of topics', () => {
  it.each(Object.entries(topics))('%s has producers that exist and at least one partition', (_, spec) => {
    for (const service of [...spec.producers, ...spec.consumers]) expect(serviceNames).toContain(service)
    expect(spec.producers.length).toBeGreaterThan(0)
    expect(spec.partitions).toBeGreaterThan(0)
  })
  it('gives each audit topic one producer, which its name says', () => {
    for (const topic of auditTopics) expect(topics[topic].producers).toEqual([topic.replace('system.audit.log.', '')])
  })
})

it('tries six times, over half a minute at most', () => {
  const { attempts } = defaultRetry
  expect(attempts).toBe(6)
  const waits = Array.from({ length: attempts - 1 }, (_, i) => backoffMs(defaultRetry, i + 1, () => 0.999_999))
  expect(waits.reduce((a, b) => a + b)).toBeLessThan(30_000)
})
