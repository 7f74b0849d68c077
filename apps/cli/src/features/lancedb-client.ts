import { createRequire } from 'node:module'
import { errorMessage, LayermillError } from '@layermill/core'
import type { VectorRows } from '@layermill/storage'
import type * as ArrowModule from 'apache-arrow'
import type * as LanceModule from '@lancedb/lancedb'

type Arrow = typeof ArrowModule
type Lance = typeof LanceModule

/** The client and the library that makes its tables. */
export interface LanceClient {
  readonly lance: Lance
  readonly arrow: Arrow
}

const require = createRequire(import.meta.url)

const installCommand = 'npm install @lancedb/lancedb@0.30.0 apache-arrow@18.1.0'

/**
 * Loads the client of LanceDB, which is not among the dependencies: 155 MB that few need.
 * @throws LayermillError `CLIENT_MISSING` with the command that installs it
 */
export function loadLanceClient(): LanceClient {
  try {
    // Required, not imported: the client knows tables by the classes of Arrow's CommonJS build.
    return { lance: require('@lancedb/lancedb') as Lance, arrow: require('apache-arrow') as Arrow }
  } catch (cause) {
    throw new LayermillError('CLIENT_MISSING', `--to lancedb: @lancedb/lancedb does not load: ${errorMessage(cause).split('\n')[0]}`, {
      hint: `install it beside layermill: ${installCommand}`,
      cause,
    })
  }
}

/**
 * How the client reaches the S3 server that the AWS SDK's variables name. Credentials it finds in the environment or the machine's role by
 * itself: they are not passed, so no message can show them.
 */
export function storageOptions(env: NodeJS.ProcessEnv): Record<string, string> {
  const endpoint = env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL']
  const region = env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION']
  return {
    ...(region === undefined ? {} : { region }),
    // A server of one's own has its buckets in paths, and perhaps no TLS.
    ...(endpoint === undefined ? {} : { endpoint, allowHttp: String(endpoint.startsWith('http://')), virtualHostedStyleRequest: 'false' }),
  }
}

/** The table's columns; `description` is what it is of. */
export function lanceSchema({ arrow }: LanceClient, dimensions: number, description: string): ArrowModule.Schema {
  const { Field, FixedSizeList, Float32, Int32, Schema, Utf8 } = arrow
  return new Schema(
    [
      new Field('key', new Utf8(), false),
      new Field('label', new Utf8(), true),
      new Field('width', new Int32(), false),
      new Field('height', new Int32(), false),
      new Field('sha256', new Utf8(), false),
      new Field('vector', new FixedSizeList(dimensions, new Field('item', new Float32(), true)), false),
    ],
    new Map([['layermill', description]]),
  )
}

/** Images with their vectors as a table of the schema; the vectors are not copied. */
export function lanceTable({ arrow }: LanceClient, schema: ArrowModule.Schema, { rows, length, values }: VectorRows): ArrowModule.Table {
  const { FixedSizeList, Field, Float32, makeData, RecordBatch, Struct, Table, Utf8, vectorFromArray } = arrow
  const texts = (column: readonly (string | null)[]): ArrowModule.Data => vectorFromArray(column, new Utf8()).data[0]!
  const numbers = makeData({ type: new Float32(), length: values.length, nullCount: 0, data: values })
  const children = [
    texts(rows.map(({ key }) => key)),
    texts(rows.map(({ label }) => label ?? null)),
    makeData({ type: new arrow.Int32(), length: rows.length, nullCount: 0, data: Int32Array.from(rows, ({ width }) => width) }),
    makeData({ type: new arrow.Int32(), length: rows.length, nullCount: 0, data: Int32Array.from(rows, ({ height }) => height) }),
    texts(rows.map(({ sha256 }) => sha256)),
    makeData({
      type: new FixedSizeList(length, new Field('item', new Float32(), true)),
      length: rows.length,
      nullCount: 0,
      child: numbers,
    }),
  ]
  const batch = makeData({ type: new Struct(schema.fields), length: rows.length, nullCount: 0, children })
  return new Table([new RecordBatch(schema, batch)])
}
