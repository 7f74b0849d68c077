import type { PartResult, RunRecord } from '@layermill/contracts'
import { type ImageSource, type ManifestRow, readWithin } from '@layermill/storage'
import type { Network } from '@layermill/models'
import { type BatchRunner, type ComputedImage, computeRows, type PreparedRow } from './compute-rows.js'
import { cosine as cosineOf } from './cosine.js'
import { rowPreparation } from './prepare-rows.js'

/**
 * How far an image's activations of a run with `--decode draft` agree with those of exact decoding: the image is read, decoded and computed
 * once more.
 */
export async function draftAgreement(
  drafted: ComputedImage<ManifestRow>,
  { record, source, network, extractor }: { record: RunRecord; source: ImageSource; network: Network; extractor: BatchRunner },
): Promise<NonNullable<PartResult['draft']>> {
  const { decode: _draft, ...exactly } = record.identity.preparation
  const { prepare, limits } = rowPreparation({ ...record, identity: { ...record.identity, preparation: exactly } }, network)
  const { row, sha256 } = drafted.image
  const { prepared, crops } = await prepare(await readWithin(source, row, limits.maxBytes), row.key)
  const { tensor, width, height, inputHeight, inputWidth } = prepared
  const image = { kind: 'image', row, tensor, crops, inputSize: [inputHeight, inputWidth], width, height, sha256 } as const
  async function* alone(): AsyncGenerator<PreparedRow<ManifestRow>> {
    yield { ...image, layers: [...drafted.layers.keys()] }
  }
  const cosine: Record<string, number> = {}
  for await (const found of computeRows(alone(), { extractor, batchSize: 1 })) {
    if (found.kind !== 'computed') continue
    for (const [layer, { data }] of found.layers) cosine[layer] = cosineOf(drafted.layers.get(layer)!.data, data)
  }
  return { images: 1, cosine }
}
