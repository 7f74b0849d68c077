import { imageLimits, type RunSpec } from '@layermill/contracts'
import { type PictureQuality, qualityOfFile } from '@layermill/preprocess'
import { type ImageSource, mapOrdered, readWithin } from '@layermill/storage'
import type { AuditedImages, AuditOptions, Finding } from './findings.js'

/** Brightness below which a picture is dark: nothing in it is a quarter as bright as white. */
const darkBelow = 0.25
/** Share of the median sharpness below which a picture is blurred: Gaussian blur of one pixel brings photographs there. */
const blurredBelow = 0.25
/** Shorter side in pixels, and share of the median side, below which a picture is tiny. */
const tinySide = 16
const tinyShare = 0.2
/** Pictures read and decoded at once: a file may have hundreds of megabytes. */
const atOnce = 4
/** Share of a class that has one size, and of a size that has one class, for the size to tell the class. */
const telling = 0.9
/** Images of a class of which that is said at all. */
const fewestOfClass = 8

/** A size that images of one class have, and hardly any other: a network may learn the size instead of what is to be seen. */
export interface Shortcut {
  readonly class: string
  /** Pixels, width x height. */
  readonly size: string
  readonly images: number
  /** Of the class. */
  readonly share: number
}

/** Measures of images of a source; undefined for what cannot be read or decoded any more. */
export async function qualitiesOf(
  keys: readonly string[],
  source: ImageSource,
  spec: Pick<RunSpec, 'autoOrient' | 'maxBytes' | 'imageTimeout'>,
  { signal, onProgress }: Pick<AuditOptions, 'signal' | 'onProgress'>,
): Promise<(PictureQuality | undefined)[]> {
  const { maxBytes, timeoutMs } = imageLimits(spec)
  const found: (PictureQuality | undefined)[] = []
  const measured = mapOrdered(keys, atOnce, async key => {
    signal.throwIfAborted()
    const bytes = await readWithin(source, { key }, maxBytes).catch(() => undefined)
    return bytes === undefined ? undefined : await qualityOfFile(bytes, { timeoutMs }).catch(() => undefined)
  })
  for await (const quality of measured) {
    found.push(quality)
    onProgress('pictures', found.length, keys.length)
  }
  return found
}

function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0
}

/**
 * Pictures that are too dark, blurred or tiny. Blur and size are told against the median of all: a dataset of small pictures has none that
 * is tiny for that.
 * @param qualities of the images in their order; undefined where a picture is not known
 */
export function qualityFindings(
  images: AuditedImages,
  qualities: readonly (PictureQuality | undefined)[],
  isDismissed: NonNullable<AuditOptions['isDismissed']> = () => false,
): Finding[] {
  const sharpness = median(qualities.flatMap(quality => (quality === undefined || quality.sharpness === 0 ? [] : [quality.sharpness])))
  const sides = images.sizes.map(({ width, height }) => Math.sqrt(width * height))
  const side = median(sides)
  const found = images.keys.flatMap((key, row): Finding[] => {
    const { width, height } = images.sizes[row]!
    const quality = qualities[row]
    const of = (finding: Finding['finding'], score: number, detail: string): Finding[] =>
      isDismissed(key, finding) ? [] : [{ key, finding, score, group: undefined, label: images.labels[row], detail }]
    return [
      ...(quality !== undefined && quality.brightness < darkBelow ? of('dark', quality.brightness, 'brightness, 0 to 1') : []),
      ...(quality !== undefined && quality.sharpness > 0 && quality.sharpness < blurredBelow * sharpness
        ? of('blurred', quality.sharpness / sharpness, 'share of the median sharpness')
        : []),
      ...(Math.min(width, height) < tinySide || sides[row]! < tinyShare * side ? of('tiny', sides[row]!, `${width}x${height}`) : []),
    ]
  })
  return found.toSorted((a, b) => a.score - b.score)
}

/** Classes nearly all of whose images have one size that nearly no image of another class has. */
export function sizeShortcuts({ labels, sizes }: Pick<AuditedImages, 'labels' | 'sizes'>): Shortcut[] {
  const [classes, ofSize, both] = [new Map<string, number>(), new Map<string, number>(), new Map<string, Map<string, number>>()]
  for (const [row, label] of labels.entries()) {
    if (label === undefined) continue
    const size = `${sizes[row]!.width}x${sizes[row]!.height}`
    classes.set(label, (classes.get(label) ?? 0) + 1)
    ofSize.set(size, (ofSize.get(size) ?? 0) + 1)
    const inside = both.get(label) ?? new Map<string, number>()
    both.set(label, inside.set(size, (inside.get(size) ?? 0) + 1))
  }
  if (classes.size < 2) return []
  return [...both]
    .flatMap(([label, inside]) =>
      [...inside].flatMap(([size, images]): Shortcut[] => {
        const share = images / classes.get(label)!
        const tells = images >= fewestOfClass && share >= telling && images >= telling * ofSize.get(size)!
        return tells ? [{ class: label, size, images, share }] : []
      }),
    )
    .toSorted((a, b) => b.images - a.images || (a.class < b.class ? -1 : 1))
}
