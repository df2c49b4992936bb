/** Run-time settings of PostgreSQL by name, see its manual, chapter "Server Configuration". */
export type Settings = Record<string, string | number>

/** A small server for one machine, durable above all. */
export const defaultSettings: Settings = {
  fsync: 'on',
  synchronous_commit: 'on',
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: 200,
  shared_buffers: '128MB',
  wal_compression: 'on',
  jit: 'off',
  // Parallel workers would share memory through /dev/shm, which is small in containers, and our queries are short.
  max_parallel_workers_per_gather: 0,
  timezone: 'UTC',
  log_timezone: 'UTC',
  cluster_name: 'bitka',
  // A broken constraint is an everyday refusal, and its DETAIL names values: keep both out of the server's log.
  log_min_messages: 'log',
  log_error_verbosity: 'terse',
  log_checkpoints: 'off',
}

/** Command line arguments. They win over postgresql.conf, so a data directory needs no editing. */
export const toArguments = (settings: Settings): string[] =>
  Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
