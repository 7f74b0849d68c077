/** Images of one part when nothing else limits it. */
export const defaultPartSize = 512

/** A part's results are built in memory before they are written, two parts at a time in each worker. */
const partBytes = 16 * 2 ** 20

/**
 * Images of one part: as asked for, or 512, fewer where a part's results would be larger than 16 MiB. It depends on the spec alone,
 * never on the fleet, so that the same run is cut the same way anywhere.
 */
export function choosePartSize(asked: number | 'auto', bytesPerImage: number): number {
  if (asked !== 'auto') return asked
  return Math.max(1, Math.min(defaultPartSize, Math.floor(partBytes / Math.max(1, bytesPerImage))))
}
