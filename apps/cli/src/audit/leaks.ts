import { type MatrixProduct, nearLeaks } from '@layermill/analysis'
import { LayermillError } from '@layermill/core'
import type { AuditedImages, AuditOptions, Finding } from './findings.js'

interface LeakOptions extends Pick<AuditOptions, 'isDismissed' | 'onProgress' | 'signal'> {
  readonly product: MatrixProduct
}

/**
 * Images that are among held-out ones too: files with the same bytes, and images far nearer to one of them than its tenth neighbour here.
 * @throws LayermillError `ROW_INVALID` where the layers have different sizes
 */
export async function leaksOf(images: AuditedImages, heldOut: AuditedImages, options: LeakOptions): Promise<Finding[]> {
  const { product, signal, isDismissed = () => false, onProgress } = options
  if (heldOut.source.columns !== images.source.columns) {
    throw new LayermillError('ROW_INVALID', `--held-out: rows of ${heldOut.source.columns} numbers, ${images.source.columns} here`)
  }
  const same = new Map(heldOut.sha256.flatMap((hash, row) => (hash === '' ? [] : [[hash, row] as const])))
  const found = new Map<number, { readonly heldOut: number; readonly ratio: number }>()
  for (const [row, hash] of images.sha256.entries()) {
    const place = same.get(hash)
    if (place !== undefined) found.set(row, { heldOut: place, ratio: 0 })
  }
  const sizes = new Map<string | undefined, number>()
  for (const label of images.labels) sizes.set(label, (sizes.get(label) ?? 0) + 1)
  const near = await nearLeaks(heldOut.source, images.source, {
    product,
    signal,
    onProgress: (done, total) => onProgress('leaks', done, total),
    alike: row => (heldOut.labels[row] === undefined ? Infinity : (sizes.get(heldOut.labels[row]) ?? Infinity)),
  })
  for (const { heldOut: place, training, ratio } of near)
    if (ratio < (found.get(training)?.ratio ?? Infinity)) found.set(training, { heldOut: place, ratio })
  return [...found]
    .filter(([row]) => !isDismissed(images.keys[row]!, 'leak'))
    .toSorted(([a], [b]) => a - b)
    .map(([row, { heldOut: place, ratio }]) => ({
      key: images.keys[row]!,
      finding: 'leak',
      score: ratio,
      group: undefined,
      label: images.labels[row],
      detail: heldOut.keys[place],
    }))
}
