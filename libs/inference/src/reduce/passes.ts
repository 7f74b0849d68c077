import { statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { needsFit, parseRule, reducedShape, type RunRecord } from '@layermill/contracts'
import { elementCount, LayermillError } from '@layermill/core'
import { layerShapes, type Network } from '@layermill/models'
import { gigabytes } from '../gigabytes.js'
import { type PoolKind, pooledShape } from '../part/pool.js'

/** Layers of a run whose rule needs a sample. */
export const layersToFit = ({ identity }: RunRecord): string[] =>
  identity.layers.filter(layer => identity.reduction?.[layer] !== undefined && needsFit(parseRule(identity.reduction[layer])))

/**
 * Bytes of one image's row of each layer that is fitted, as it is kept meanwhile: float32, pooled and mapped as far as that needs no sample.
 * Empty where images keep their own sizes, since nobody knows the rows before.
 */
export function sampleRowBytes(record: RunRecord, network: Network): Map<string, number> {
  const { preparation, pool, reduction } = record.identity
  if (preparation.size === 'keep') return new Map()
  const shapes = layerShapes(network, layersToFit(record), [preparation.size.height, preparation.size.width])
  const bytes = new Map<string, number>()
  for (const [layer, shape] of shapes) {
    const rule = parseRule(reduction![layer]!)
    const pooled = pooledShape(shape, pool as PoolKind)
    bytes.set(layer, 4 * elementCount(rule.kind === 'pca' ? pooled : reducedShape(pooled, rule)))
  }
  return bytes
}

/**
 * Bytes that a sample's rows may take where temporary files are: `LAYERMILL_SCRATCH_BYTES`, else half of what is free.
 * @throws LayermillError `SPEC_INVALID` for a variable that is no number of bytes
 */
export async function scratchBytes(env: NodeJS.ProcessEnv = process.env): Promise<number> {
  const text = env['LAYERMILL_SCRATCH_BYTES']?.trim() ?? ''
  if (/^[1-9]\d{0,15}$/.test(text)) return Number(text)
  if (text !== '')
    throw new LayermillError('SPEC_INVALID', `LAYERMILL_SCRATCH_BYTES: got ${JSON.stringify(text)}, expected a whole number of bytes`)
  const { bavail, bsize } = await statfs(tmpdir())
  return (bavail * bsize) / 2
}

/**
 * Layers in groups whose rows of a sample fit into `budgetBytes` together, in their order. Each group is a pass: the network computes the
 * sample once for it.
 *
 * @param rowBytes of one image, by layer; a layer without an entry is of unknown size and counts as nothing
 * @throws LayermillError `SPEC_INVALID` for a layer that does not fit alone
 */
export function samplePasses(
  layers: readonly string[],
  rowBytes: ReadonlyMap<string, number>,
  images: number,
  budgetBytes: number,
): string[][] {
  const passes: string[][] = []
  let room = 0
  for (const layer of layers) {
    const bytes = (rowBytes.get(layer) ?? 0) * images
    if (bytes > budgetBytes) {
      throw new LayermillError(
        'SPEC_INVALID',
        `--reduce: ${images} rows of ${layer} take ${gigabytes(bytes)} while they are fitted, and ${gigabytes(budgetBytes)} may be used in ${tmpdir()}`,
        {
          hint: 'take fewer images with --reduce-sample, --pool avg, srp:COMPONENTS, another disk by TMPDIR, or more by LAYERMILL_SCRATCH_BYTES',
        },
      )
    }
    if (passes.length === 0 || bytes > room) {
      passes.push([])
      room = budgetBytes
    }
    passes.at(-1)!.push(layer)
    room -= bytes
  }
  return passes
}
