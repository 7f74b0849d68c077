import type { Duplex } from 'node:stream'
import { errorCode, errorMessage, LayermillError, redact } from '@layermill/core'
import { createPostgresBackend, type PgPool, type PgQueryResult, runMigrations } from 'bullmq'
import pg from 'pg'
import type { BlobStore, QueueServer, ServerOptions } from './backend.js'
import type { EmbeddedPostgres } from './embedded/embedded-postgres.js'
import { MemoryBlobs } from './memory-blobs.js'
import { certificateHint } from './certificate.js'
import { isElsewhere, type PatienceOptions, patientBackend } from './refusals.js'

const schema = 'bullmq'
type Config = pg.PoolConfig & { stream?: () => Duplex }
type ErrorListener = (error: Error) => void

/**
 * The pool that BullMQ's backends share. Queries share a few connections; `connect()` gives one of its own, because workers and event
 * readers keep theirs for LISTEN as long as they live and would starve a pool of any fixed size.
 */
class SharedPool implements PgPool {
  /** BullMQ looks here whether connections are kept alive: it blocks longer then. */
  readonly options = { keepAlive: true }
  private readonly pool: pg.Pool
  private readonly config: Config
  private readonly own = new Set<pg.Client>()

  constructor(config: Config, onError: ErrorListener) {
    this.config = config
    this.pool = new pg.Pool(config)
    this.pool.on('error', onError)
  }

  async query<R>(sql: string, parameters?: readonly unknown[]): Promise<PgQueryResult<R>> {
    const client = await this.pool.connect()
    let lost = false
    try {
      const { rows, rowCount } = await client.query(sql, parameters === undefined ? undefined : [...parameters])
      // The caller says what a row is, as with `pg` itself.
      return { rows: rows as R[], rowCount }
    } catch (error) {
      // Read-only since a failover: the name may lead to another server by now.
      lost = isElsewhere(error)
      throw error
    } finally {
      client.release(lost)
    }
  }

  async connect() {
    const client = new pg.Client(this.config)
    // Until its user listens, and after it stopped: an error nobody listens to would end the process.
    client.on('error', () => undefined)
    await client.connect()
    this.own.add(client)
    const release = (): void => {
      this.own.delete(client)
      client.on('error', () => undefined)
      client.end().catch(() => undefined)
    }
    return Object.assign(client, { release })
  }

  async end(): Promise<void> {
    await Promise.allSettled([...this.own].map(client => client.end()))
    await this.pool.end()
  }

  // BullMQ subscribes to the pool's errors once per queue; the broker does so once for all.
  on(): this {
    return this
  }
  removeAllListeners(): this {
    return this
  }
}

/** Blobs in a table of their own, unlogged: what is exchanged can be made again. */
class TableBlobs implements BlobStore {
  private readonly pool: SharedPool
  constructor(pool: SharedPool) {
    this.pool = pool
  }

  async put(key: string, bytes: Uint8Array, ttlMs: number): Promise<void> {
    await this.pool.query('DELETE FROM layermill_blob WHERE expires_at < now()')
    await this.pool.query(
      `INSERT INTO layermill_blob (key, bytes, expires_at) VALUES ($1, $2, now() + $3 * interval '1 millisecond')
       ON CONFLICT (key) DO UPDATE SET bytes = excluded.bytes, expires_at = excluded.expires_at`,
      [key, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), ttlMs],
    )
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const { rows } = await this.pool.query<{ bytes: Buffer }>('SELECT bytes FROM layermill_blob WHERE key = $1 AND expires_at >= now()', [
      key,
    ])
    return rows[0]?.bytes
  }

  async delete(keys: readonly string[]): Promise<void> {
    await this.pool.query('DELETE FROM layermill_blob WHERE key = ANY($1)', [keys])
  }

  async deleteBelow(prefix: string): Promise<void> {
    await this.pool.query('DELETE FROM layermill_blob WHERE starts_with(key, $1)', [prefix])
  }
}

const createTable = `CREATE UNLOGGED TABLE IF NOT EXISTS ${schema}.layermill_blob (
  key text PRIMARY KEY, bytes bytea NOT NULL, expires_at timestamptz NOT NULL)`

function connectionError(error: unknown, place: string): LayermillError {
  const code = errorCode(error)
  const message = redact(errorMessage(error))
  // 28xxx: invalid authorization; 3D000: no such database.
  if (/^28|^3D/.test(code)) return new LayermillError('QUEUE_AUTH', `${place}: the server refuses the connection: ${message}`)
  return new LayermillError('QUEUE_UNREACHABLE', `${place}: ${message}`, {
    hint: certificateHint(error) ?? 'Is the server running, and does its name and port fit?',
    cause: error,
  })
}

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

/** Connects and brings the schema up to date; tries again until the deadline while nothing answers (a server that is just starting). */
async function migrate(pool: SharedPool, place: string, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    try {
      const client = await pool.connect()
      try {
        await runMigrations(client, schema)
        // CREATE IF NOT EXISTS of two processes at once can still collide.
        await client.query('BEGIN')
        await client.query('SELECT pg_advisory_xact_lock(hashtext($1))', ['layermill:migration'])
        await client.query(createTable)
        await client.query('COMMIT')
      } finally {
        client.release()
      }
      return
    } catch (error) {
      const starting = ['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', '57P03'].includes(errorCode(error))
      if (!starting || Date.now() >= deadline) throw connectionError(error, place)
      await pause(Math.min(250, Math.max(1, deadline - Date.now())))
    }
  }
}

/** A PostgreSQL server: BullMQ's tables in the schema `bullmq`, made where they are missing. */
export async function openPostgresServer(url: URL, options: ServerOptions): Promise<QueueServer> {
  const place = `postgres://${url.host}${url.pathname}`
  const timeout = options.connectTimeoutMs ?? 10_000
  const pool = new SharedPool(
    {
      connectionString: url.href,
      max: 4,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      connectionTimeoutMillis: timeout,
      options: `-c search_path=${schema}`,
      application_name: 'layermill',
    },
    error => options.onError?.(connectionError(error, place)),
  )
  try {
    await migrate(pool, place, timeout)
  } catch (error) {
    await pool.end()
    throw error
  }
  const closing = new AbortController()
  const patience: PatienceOptions = {
    signal: closing.signal,
    onRefused: error =>
      options.onError?.(new LayermillError('QUEUE_FAILED', `${place}: the server refuses commands for now: ${redact(error.message)}`)),
  }
  return {
    kind: 'postgres',
    description: place,
    factory: (name, bullOptions, factoryOptions) =>
      patientBackend(createPostgresBackend(name, { ...bullOptions, connection: pool }, factoryOptions), patience),
    blobs: new TableBlobs(pool),
    close: () => {
      closing.abort()
      return pool.end()
    },
  }
}

/**
 * Makes a folder's queue ready after the process that had it ended, however it ended. Its tables are brought up to date. Nobody else has
 * the folder, so all claims are of processes that are gone: BullMQ's first look for stalled jobs takes them up at once, and counts them.
 */
async function takeOver(pool: SharedPool): Promise<void> {
  const client = await pool.connect()
  try {
    await runMigrations(client, schema)
    await client.query('BEGIN')
    await client.query(`UPDATE ${schema}.job SET locked_until_ms = 0, stalled_marked = true WHERE state = 'active'`)
    await client.query(`DELETE FROM ${schema}.meta WHERE field = 'stalled-check'`)
    await client.query('COMMIT')
  } finally {
    client.release()
  }
}

/**
 * PostgreSQL inside this process. In memory by default: the truth about runs is in their store, so that a queue may be lost. A folder keeps
 * it beyond the process.
 */
export async function openEmbeddedServer(database: EmbeddedPostgres, options: ServerOptions): Promise<QueueServer> {
  const pool = new SharedPool({ stream: () => database.socket(), max: 4, user: 'postgres', database: 'postgres' }, error =>
    options.onError?.(error),
  )
  const close = async (): Promise<void> => {
    await pool.end()
    await database.close()
  }
  if (options.directory !== undefined) {
    try {
      await takeOver(pool)
    } catch (error) {
      await close()
      throw error
    }
  }
  return {
    kind: 'embedded',
    description: options.directory === undefined ? 'embedded (memory)' : `embedded (${options.directory})`,
    factory: (name, bullOptions, factoryOptions) => createPostgresBackend(name, { ...bullOptions, connection: pool }, factoryOptions),
    blobs: new MemoryBlobs(),
    close,
  }
}
