import { type MatrixProduct, nearDuplicateRatio, nearestNeighbours, nearestRatios, referenceNeighbour } from '@layermill/analysis'
import { LayermillError } from '@layermill/core'
import type { AuditedImages, AuditOptions, Finding } from './findings.js'

interface LeakOptions extends Pick<AuditOptions, 'isDismissed' | 'onProgress' | 'signal'> {
  readonly product: MatrixProduct
}

/**
 * Images that are among held-out ones too: files with the same bytes, and images far nearer to one of them than to the tenth.
 * @throws LayermillError `ROW_INVALID` where the layers have different sizes
 */
export async function leaksOf(images: AuditedImages, heldOut: AuditedImages, options: LeakOptions): Promise<Finding[]> {
  const { product, signal, isDismissed = () => false, onProgress } = options
  if (heldOut.source.columns !== images.source.columns) {
    throw new LayermillError('ROW_INVALID', `--held-out: rows of ${heldOut.source.columns} numbers, ${images.source.columns} here`)
  }
  const known = new Map(heldOut.sha256.flatMap((hash, row) => (hash === '' ? [] : [[hash, row] as const])))
  const near = await nearestNeighbours(
    images.source,
    { product, count: referenceNeighbour, signal, onProgress: (done, total) => onProgress('leaks', done, total) },
    heldOut.source,
  )
  const ratios = nearestRatios(near)
  return images.keys.flatMap((key, row): Finding[] => {
    const same = known.get(images.sha256[row] ?? '')
    const leaks = same !== undefined || ratios[row]! < nearDuplicateRatio
    if (!leaks || isDismissed(key, 'leak')) return []
    const [place, score] = same === undefined ? [near.places[row * near.count]!, ratios[row]!] : [same, 0]
    return [{ key, finding: 'leak', score, group: undefined, label: images.labels[row], detail: heldOut.keys[place] }]
  })
}
