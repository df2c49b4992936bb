import { silentLogger } from '@bitka/kernel'
import { waitFor } from '@bitka/testkit'
import { type EventLog, tail } from '../src/index.ts'
import { record, values } from './conformance.ts'
import { type EventsFixture, eventsFixture } from './fixture.ts'

const topic = 'identity.session.revoked'

describe('tail', () => {
  let fixture: EventsFixture
  let auth: EventLog
  beforeAll(async () => {
    fixture = await eventsFixture(['auth', 'order'])
    auth = fixture.log('auth')
    await auth.append(topic, [record('user', 'old')])
  })
  afterAll(() => fixture?.stop())

  it('shows every process every record, from the start or from now on', async () => {
    const seen = { start: [] as string[], latest: [] as string[] }
    const tails = await Promise.all(
      (['start', 'latest'] as const).map((from) =>
        tail(fixture.log('order'), topic, {
          from,
          logger: silentLogger,
          onRecord: (r) => void seen[from].push(...values([r])),
        }),
      ),
    )
    await Promise.all(tails.map(({ caughtUp }) => caughtUp))
    expect(seen).toEqual({ start: ['old'], latest: [] })
    await auth.append(topic, [record('user', 'new')])
    await waitFor(() => seen.latest.length === 1 && seen.start.length === 2)
    expect(seen).toEqual({ start: ['old', 'new'], latest: ['new'] })
    await Promise.all(tails.map((each) => each.stop()))
  })

  it('tries a record again that could not be taken in', async () => {
    const seen: string[] = []
    let failures = 2
    const following = await tail(fixture.log('order'), topic, {
      from: 'start',
      logger: silentLogger,
      onRecord: (each) => {
        if (failures-- > 0) throw new Error('not yet')
        seen.push(...values([each]))
      },
    })
    await waitFor(() => seen[0] === 'old')
    await following.stop()
  })
})
