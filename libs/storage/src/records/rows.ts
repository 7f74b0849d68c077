import { encodeLines, parseLines } from './fields.js'

/** One image of a run's manifest. */
export interface ManifestRow {
  readonly key: string
  /** '' for an image that was missing when it was listed. */
  readonly etag: string
  readonly bytes: number
  readonly label?: string
  /** Place of the image's bytes in an archive. */
  readonly at?: { readonly shard: string; readonly offset: number }
  /** Place of the image's existing result, in a part that this one replaces. It is copied, not computed. */
  readonly from?: { readonly part: number; readonly row: number }
}

/** One image that failed: why, for programs and for people. */
export interface ErrorRow {
  readonly key: string
  readonly code: string
  readonly reason: string
}

/** `manifest/part-N.jsonl`. The same rows give the same bytes. */
export function encodeManifest(rows: Iterable<ManifestRow>): string {
  return encodeLines(
    map(rows, ({ key, etag, bytes, label, at, from }) => ({
      key,
      etag,
      bytes,
      label,
      at: at && { shard: at.shard, offset: at.offset },
      from: from && { part: from.part, row: from.row },
    })),
  )
}

/** @throws LayermillError `RECORD_INVALID` with `name` and the line */
export function parseManifest(bytes: Uint8Array | string, name: string): ManifestRow[] {
  return parseLines(bytes, name, fields => {
    const row = { key: fields.string('key'), etag: fields.string('etag'), bytes: fields.count('bytes') }
    const label = fields.optionalString('label')
    const at = fields.optionalObject('at')
    const from = fields.optionalObject('from')
    return {
      ...row,
      ...(label === undefined ? {} : { label }),
      ...(at === undefined ? {} : { at: { shard: at.string('shard'), offset: at.count('offset') } }),
      ...(from === undefined ? {} : { from: { part: from.count('part'), row: from.count('row') } }),
    }
  })
}

/** `errors/part-N.jsonl`. */
export function encodeErrors(rows: Iterable<ErrorRow>): string {
  return encodeLines(map(rows, ({ key, code, reason }) => ({ key, code, reason })))
}

/** @throws LayermillError `RECORD_INVALID` with `name` and the line */
export function parseErrors(bytes: Uint8Array | string, name: string): ErrorRow[] {
  return parseLines(bytes, name, fields => ({ key: fields.string('key'), code: fields.string('code'), reason: fields.string('reason') }))
}

function* map<In, Out>(rows: Iterable<In>, change: (row: In) => Out): Generator<Out> {
  for (const row of rows) yield change(row)
}
