import { LayermillError } from '@layermill/core'
import { refuseForeignFile } from '@layermill/orchestrator/run'
import { encodeVectorTable, groupVectors, openStore, streamFeatures, type VectorRows } from '@layermill/storage'
import { splitFile } from '@layermill/orchestrator/results'
import type { Exported, ExportOptions } from './export-options.js'

async function* counted(groups: AsyncIterable<VectorRows>, onProgress: (images: number) => void): AsyncGenerator<VectorRows> {
  let images = 0
  for await (const group of groups) {
    yield group
    images += group.rows.length
    onProgress(images)
  }
}

/**
 * Writes a layer's features as one Parquet file, a group of rows at a time; whole or not at all.
 * @throws LayermillError `SPEC_INVALID` for a name without `.parquet`, `EXPORT_EXISTS`, `RUN_CONFLICT` where it would replace a run's file, what
 * the stores throw; the signal's reason
 */
export async function exportParquet({ set, description, out, overwrite, signal, onProgress }: ExportOptions): Promise<Exported> {
  if (!/\.parquet$/i.test(out))
    throw new LayermillError('SPEC_INVALID', `--out: got ${JSON.stringify(out)}, expected a file that ends in .parquet`)
  await refuseForeignFile(out, async url => openStore(url))
  const { folder, name } = splitFile(out)
  const store = openStore(folder)
  const exists = (): LayermillError => new LayermillError('EXPORT_EXISTS', `${out} exists`, { hint: '--overwrite replaces it' })
  try {
    // Asked before all the reading, and again when it is written.
    if (!overwrite && (await store.stat(name)) !== undefined) throw exists()
    const groups = groupVectors(streamFeatures(set.store, set.place, set.parts, { signal }))
    const pieces = encodeVectorTable(counted(groups, onProgress), { layermill: JSON.stringify(description) })
    if (!(await store.putStream(name, pieces, { ifAbsent: !overwrite, contentType: 'application/vnd.apache.parquet' }))) throw exists()
    return { before: 0, place: out }
  } finally {
    await store.close()
  }
}
