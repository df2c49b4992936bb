import { createServer } from 'node:net'
import { assertFree, freePorts } from '../src/index.ts'

describe('ports', () => {
  it('says in plain words when another program has the port', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address ? address.port : 0
    await expect(assertFree('127.0.0.1', port)).rejects.toThrow(
      `port ${port} on 127.0.0.1 is in use by another program`,
    )
    await new Promise((resolve) => server.close(resolve))
    await expect(assertFree('127.0.0.1', port)).resolves.toBeUndefined()
  })

  it('finds as many free ones as are needed', async () => {
    const ports = await freePorts(9)
    expect(new Set(ports).size).toBe(9)
    // Linux gives 32768 and up to outgoing connections, which could take one of these before its program starts.
    expect(Math.max(...ports)).toBeLessThan(32_768)
    expect(Math.min(...ports)).toBeGreaterThan(1_023)
  })
})
