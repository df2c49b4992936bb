import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** A TCP socket that a process listens on. */
export type Listener = { process: string; address: string; port: number }

const LISTEN = '0A'

/** The TCP sockets that these processes listen on, as the kernel knows them; sorted by port. */
export function listenersOf(processes: readonly { name: string; pid: number }[]): Listener[] {
  const sockets = [...socketsIn('/proc/net/tcp'), ...socketsIn('/proc/net/tcp6')]
  const byInode = new Map(sockets.map((socket) => [socket.inode, socket]))
  const found = new Map<string, Listener>()
  for (const { name, pid } of processes) {
    for (const inode of inodesOf(pid)) {
      const socket = byInode.get(inode)
      // Envoy has one socket a thread, all of one port.
      if (socket) found.set(`${name} ${socket.port}`, { process: name, address: socket.address, port: socket.port })
    }
  }
  return [...found.values()].sort((a, b) => a.port - b.port)
}

function socketsIn(file: string): { inode: string; address: string; port: number }[] {
  const lines = readFileSync(file, 'utf8').trim().split('\n').slice(1)
  return lines.flatMap((line) => {
    const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/)
    const [address = '', port = ''] = local.split(':')
    return state === LISTEN ? [{ inode, address: textOf(address), port: Number.parseInt(port, 16) }] : []
  })
}

/** The kernel writes an address as words of the machine's byte order: little-endian here. */
function textOf(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => [...Buffer.from(word, 'hex').reverse()])
  if (bytes.length === 4) return bytes.join('.')
  // IPv4 written as IPv6, as Java does it.
  if (hex.startsWith(`${'0'.repeat(16)}FFFF0000`)) return bytes.slice(12).join('.')
  return Buffer.from(bytes).toString('hex')
}

function inodesOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`
  return readdirSync(folder).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`${folder}/${fd}`))?.[1] ?? []
    } catch {
      // Closed meanwhile.
      return []
    }
  })
}
