import type { World } from './world.ts'

/** What the exchange has written down about all of it. */
export function logSuite(at: () => World): void {
  it('no bad input was anybody’s mistake but its sender’s', () => {
    const failed = at().logged.filter((line) => JSON.parse(line).level >= 50)
    expect(failed).toEqual([])
  })

  it('no secret and nobody’s name is in a log, nor anything that could not be written', () => {
    const { alice, bob, operator } = at().people
    const secrets = [alice, bob, operator].flatMap(({ password, token, refreshToken, email }) => [
      password,
      token,
      token.split('.')[2] ?? '',
      refreshToken,
      email,
    ])
    const others = ['a wrong password', 'long enough to take', 'another good password', 'u@example.com', 'Bearer ']
    const lines = at().logged
    expect(lines.length).toBeGreaterThan(1_000)
    for (const secret of [...secrets, ...others, 'unable to serialize']) {
      expect([secret, lines.find((line) => line.includes(secret))]).toEqual([secret, undefined])
    }
  })
}
