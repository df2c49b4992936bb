import { createLogger } from '@bitka/kernel'
import { startPostgres } from '../src/index.ts'

// A process that starts PostgreSQL, says so in one line, and lives until it is killed or its input ends.
const [dataDir = ''] = process.argv.slice(2)
const server = await startPostgres({ dataDir, log: createLogger('parent', { level: 'silent' }) })
process.stdout.write(`${JSON.stringify({ port: server.port, pid: server.pid, adminUrl: server.adminUrl })}\n`)
process.stdin.resume()
process.stdin.on('end', () => void server.stop().then(() => process.exit(0)))
