import { LayermillError } from '@layermill/core'

interface Box {
  readonly type: string
  /** Offsets of the box's start, of its content's start, and of its end. */
  readonly start: number
  readonly from: number
  readonly end: number
}

const typeAt = (bytes: Uint8Array, at: number): string => String.fromCharCode(...bytes.subarray(at, at + 4))

/** The boxes of an ISO base media file between two places, as far as they are whole. */
function* boxes(bytes: Uint8Array, from: number, end: number): Generator<Box> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let start = from; start + 8 <= end;) {
    const short = view.getUint32(start)
    const long = short === 1 && start + 16 <= end
    const size = long ? Number(view.getBigUint64(start + 8)) : short === 0 ? end - start : short
    const header = long ? 16 : 8
    if (size < header || start + size > end) return
    yield { type: typeAt(bytes, start + 4), start, from: start + header, end: start + size }
    start += size
  }
}

function child(bytes: Uint8Array, type: string, from: number, end: number): Box | undefined {
  for (const box of boxes(bytes, from, end)) if (box.type === type) return box
  return undefined
}

/** Facts of an AVIF file's still picture, read before it is decoded. */
export interface AvifPicture {
  /** The largest of the sizes that its properties name; 0 where there is none. */
  readonly width: number
  readonly height: number
  /** Boxes `irot` and `imir`, by which it is turned and mirrored for showing, and `clap`, by which it is cut. */
  readonly transforms: readonly Box[]
}

/** @throws LayermillError IMAGE_UNSUPPORTED where the colours are multiplied with alpha, or there is no still picture */
export function readAvifPicture(bytes: Uint8Array): AvifPicture {
  const meta = child(bytes, 'meta', 0, bytes.length)
  if (meta === undefined) return { width: 0, height: 0, transforms: [] }
  const references = child(bytes, 'iref', meta.from + 4, meta.end)
  if (references !== undefined && child(bytes, 'prem', references.from + 4, references.end) !== undefined) {
    throw new LayermillError('IMAGE_UNSUPPORTED', 'AVIF files with colours multiplied by alpha are not read', {
      hint: 'Convert it to PNG.',
    })
  }
  if (child(bytes, 'pitm', meta.from + 4, meta.end) === undefined) {
    throw new LayermillError('IMAGE_UNSUPPORTED', 'AVIF sequences without a still picture are not read', { hint: 'Convert it to PNG.' })
  }
  const properties = child(bytes, 'iprp', meta.from + 4, meta.end)
  const container = properties && child(bytes, 'ipco', properties.from, properties.end)
  if (container === undefined) return { width: 0, height: 0, transforms: [] }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const transforms: Box[] = []
  let [width, height] = [0, 0]
  for (const box of boxes(bytes, container.from, container.end)) {
    if (box.type === 'ispe' && box.end - box.from >= 12) {
      width = Math.max(width, view.getUint32(box.from + 4))
      height = Math.max(height, view.getUint32(box.from + 8))
    }
    if (['irot', 'imir', 'clap'].includes(box.type) && box.end > box.from) transforms.push(box)
  }
  return { width, height, transforms }
}

/**
 * The file as libvips is to see it: of a sequence its still picture, which is the first frame; and without turning and mirroring, which
 * libheif would do whether asked for or not, unless `autoOrient`. The same bytes where nothing has to change.
 */
export function stillAvif(bytes: Uint8Array, { transforms }: AvifPicture, autoOrient: boolean): Uint8Array {
  const sequence = typeAt(bytes, 4) === 'ftyp' && typeAt(bytes, 8) === 'avis'
  const undone = transforms.filter(({ type }) => type === 'clap' || !autoOrient)
  if (!sequence && undone.length === 0) return bytes
  const copy = Uint8Array.from(bytes)
  if (sequence) copy.set(Buffer.from('avif'), 8)
  for (const box of undone) {
    // A turn by nothing: a property that is marked essential must stay one that the decoder knows.
    copy.set(Buffer.from('irot'), box.start + 4)
    copy[box.from] = 0
  }
  return copy
}
