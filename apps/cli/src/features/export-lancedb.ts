import type { Connection, Table } from '@lancedb/lancedb'
import { errorMessage, LayermillError, schemeOf } from '@layermill/core'
import { groupVectors, streamFeatures } from '@layermill/storage'
import type { Exported, ExportOptions } from './export-options.js'
import { lanceSchema, lanceTable, loadLanceClient, type LanceClient, storageOptions } from './lancedb-client.js'

/** The table of a layer where no name is given: the layer's, with '.' for each '/'. */
const tableName = (layer: string): string => layer.replaceAll('/', '.')

async function hasTable(db: Connection, name: string): Promise<boolean> {
  const page = 1000
  for (let startAfter: string | undefined; ;) {
    const names = await db.tableNames({ limit: page, ...(startAfter === undefined ? {} : { startAfter }) })
    if (names.includes(name)) return true
    if (names.length < page) return false
    startAfter = names.at(-1)
  }
}

interface Target {
  readonly client: LanceClient
  readonly db: Connection
  readonly name: string
  readonly description: string
  readonly dimensions: number
}

/** The table to write to: a new one, or one that an export of the same vectors has begun. @throws LayermillError `EXPORT_EXISTS` */
async function openTable({ client, db, name, description, dimensions }: Target, { out, overwrite }: ExportOptions): Promise<Table> {
  if (overwrite || !(await hasTable(db, name))) {
    return db.createEmptyTable(name, lanceSchema(client, dimensions, description), { mode: overwrite ? 'overwrite' : 'create' })
  }
  const table = await db.openTable(name)
  if ((await table.schema()).metadata.get('layermill') === description) return table
  throw new LayermillError('EXPORT_EXISTS', `${out} has a table ${name} of something else, or of features that have changed since`, {
    hint: '--overwrite replaces it, --table names another',
  })
}

/**
 * Adds what the table lacks: images come in one order, and each addition is there whole or not at all, so its length says where to go on.
 */
async function fill(table: Table, client: LanceClient, { set, description, signal, onProgress }: ExportOptions): Promise<number> {
  const before = await table.countRows()
  let images = before
  if (before < description.images) {
    const schema = lanceSchema(client, set.dimensions, JSON.stringify(description))
    for await (const group of groupVectors(streamFeatures(set.store, set.place, set.parts, { signal }), before)) {
      await table.add(lanceTable(client, schema, group))
      images += group.rows.length
      onProgress(images)
    }
    // Many small additions become few files.
    await table.optimize()
  }
  const found = await table.countRows()
  if (found !== description.images) {
    throw new LayermillError(
      'CLIENT_FAILED',
      `the table has ${found} rows, expected ${description.images}: another export was writing to it`,
      { hint: '--overwrite makes it anew' },
    )
  }
  return before
}

/**
 * Writes a layer's features into a table of a LanceDB database. An export that was stopped goes on where it was, one that is done already
 * changes nothing.
 *
 * @param options.out the database: a folder, or `s3://bucket/prefix`
 * @throws LayermillError `CLIENT_MISSING`, `SPEC_INVALID` (the table's name), `EXPORT_EXISTS`, `CLIENT_FAILED`, what the stores throw; the
 * signal's reason
 */
export async function exportLanceDb(options: ExportOptions, table = tableName(options.set.layer.name)): Promise<Exported> {
  if (!/^[\w.-]{1,200}$/.test(table))
    throw new LayermillError('SPEC_INVALID', `--table: got ${JSON.stringify(table)}, expected letters, digits, '_', '-' and '.'`)
  if (!['s3', undefined].includes(schemeOf(options.out))) {
    throw new LayermillError('SPEC_INVALID', `--out: got ${JSON.stringify(options.out)}, expected a folder or s3://bucket/prefix`)
  }
  const client = loadLanceClient()
  const { set, out, description, signal } = options
  try {
    const db = await client.lance.connect(out, /^s3:/i.test(out) ? { storageOptions: storageOptions(process.env) } : {})
    const target = { client, db, name: table, description: JSON.stringify(description), dimensions: set.dimensions }
    const opened = await openTable(target, options)
    const before = await fill(opened, client, options)
    opened.close()
    db.close()
    return { before, place: `${out}, table ${table}` }
  } catch (error) {
    if (error instanceof LayermillError || signal.aborted) throw error
    throw new LayermillError('CLIENT_FAILED', `LanceDB at ${out}: ${errorMessage(error)}`, { cause: error })
  }
}
