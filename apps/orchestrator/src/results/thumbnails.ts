import { imageLimits, type RunSpec } from '@layermill/contracts'
import { thumbnail } from '@layermill/preprocess'
import { type ImageSource, mapOrdered, readWithin } from '@layermill/storage'

/** Pixels of the longer side of a picture in a report. */
export const thumbnailSide = 160
/** Pictures read and decoded at once: a file may have hundreds of megabytes. */
const atOnce = 4

/** Small JPEGs of images of a source, in their order; undefined for what cannot be read or decoded any more. */
export async function thumbnailsOf(
  keys: readonly string[],
  source: ImageSource,
  spec: Pick<RunSpec, 'autoOrient' | 'maxBytes' | 'imageTimeout'>,
): Promise<(Uint8Array | undefined)[]> {
  const { maxBytes, timeoutMs } = imageLimits(spec)
  const found: (Uint8Array | undefined)[] = []
  const made = mapOrdered(keys, atOnce, async key => {
    // A picture that is gone by now is only missed here.
    const bytes = await readWithin(source, { key }, maxBytes).catch(() => undefined)
    return bytes === undefined
      ? undefined
      : await thumbnail(bytes, thumbnailSide, { autoOrient: spec.autoOrient, timeoutMs }).catch(() => undefined)
  })
  for await (const picture of made) found.push(picture)
  return found
}
