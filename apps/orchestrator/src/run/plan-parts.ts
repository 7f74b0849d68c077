/** Rows of one manifest part. */
export interface PlannedPart<Row> {
  readonly part: number
  readonly rows: readonly Row[]
}

/** Cuts a stream into parts of `partSize` rows, numbered from `firstPart`; only the last may be smaller. */
export async function* cutParts<Row>(rows: AsyncIterable<Row>, partSize: number, firstPart: number): AsyncGenerator<PlannedPart<Row>> {
  let part = firstPart
  let pending: Row[] = []
  for await (const row of rows) {
    pending.push(row)
    if (pending.length < partSize) continue
    yield { part: part++, rows: pending }
    pending = []
  }
  if (pending.length > 0) yield { part, rows: pending }
}
