import { PGlite } from '@electric-sql/pglite'

/** Small shared buffers: clearing PostgreSQL's default 128 MB is most of the start's time, and the queue's tables are small. */
const settings = ['shared_buffers=8MB', 'wal_buffers=256kB', 'min_wal_size=2MB', 'max_wal_size=16MB', 'search_path=bullmq']
const startParams = (): string[] => [...PGlite.defaultStartParams, ...settings.flatMap(setting => ['-c', setting])]

/** A Blob that hands out its bytes as they are: PGlite asks for `arrayBuffer()`, and Node's own copies 30 MB several times. */
class BytesBlob extends Blob {
  private readonly content: Uint8Array<ArrayBuffer>
  constructor(bytes: Uint8Array<ArrayBuffer>) {
    super([])
    this.content = bytes
  }
  override arrayBuffer(): Promise<ArrayBuffer> {
    const { buffer, byteOffset, byteLength } = this.content
    return Promise.resolve(byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength))
  }
}

/** Makes a database with BullMQ's tables and returns it as a tar file. Takes seconds of CPU. */
export async function makeSnapshot(): Promise<Uint8Array> {
  // Loaded only here: it takes longer than opening the database, and snapshots are rarely made.
  const { runMigrations } = await import('bullmq')
  await using database = await PGlite.create({ startParams: startParams(), initDbStartParams: ['--wal-segsize=1'] })
  await runMigrations({
    query: async <R>(sql: string, parameters?: readonly unknown[]) => {
      if (parameters !== undefined) return await database.query<R>(sql, [...parameters])
      const last = (await database.exec(sql)).at(-1)
      return { rows: (last?.rows ?? []) as R[] }
    },
  })
  // Nothing connects to the templates, and each is a third of the size.
  await database.exec("UPDATE pg_database SET datistemplate = false WHERE datname LIKE 'template%'")
  await database.exec('DROP DATABASE template0')
  await database.exec('DROP DATABASE template1')
  await database.exec('CHECKPOINT')
  const dump = await database.dumpDataDir('none')
  return new Uint8Array(await dump.arrayBuffer())
}

/** Opens a database: in memory from the snapshot, or in a folder, which the snapshot fills where one is given. */
export async function openDatabase(snapshot: Uint8Array<ArrayBuffer> | undefined, directory: string | undefined): Promise<PGlite> {
  return PGlite.create({
    dataDir: directory,
    loadDataDir: snapshot === undefined ? undefined : new BytesBlob(snapshot),
    startParams: startParams(),
  })
}
