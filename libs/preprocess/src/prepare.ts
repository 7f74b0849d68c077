import { Gate, LayermillError } from '@layermill/core'
import type { Preparation, Size2 } from '@layermill/models'
import { applyColors, type AugmentKey, type AugmentOptions, drawAugmentation } from './augment.js'
import { decodeImage, type DecodeOptions, decodingThreads } from './decode.js'
import { decodeDraft, planDraft, type SizeNeeded } from './draft/decode-draft.js'
import { defaultSize, fiveBoxes, type Geometry, planGeometry, uncroppedSize } from './geometry.js'
import { isFloatFilter } from './filters.js'
import { type Box, cropImage, cutImage, type FloatImage, type Resample, type RgbImage, within } from './image.js'
import { Pacer } from './pacer.js'
import { resizeFloats } from './resample-floats.js'
import { resizeImage, resizeRegion } from './resample.js'
import { pictureSize } from './sniff-size.js'
import { type TensorTarget, writeTensor } from './tensor.js'

/** Names the arithmetic from file to tensor, for a run's identity: it changes whenever the numbers do. */
export const prepareVersion = 'pillow-9.4-exact/2'

/** Bytes of pixels for each thread that decodes, in all pictures together: two of 12 megapixels fit where four threads decode. */
const pictureBytesAThread = 24 * 2 ** 20
/** Resized pictures up to this size are made whole for the ten crops. */
const maxWholePixels = 1 << 22

/** Options of `loadResized`, `prepareImage` and `tenCrop`. */
export interface LoadOptions extends DecodeOptions {
  /**
   * `draft`: JPEGs are decoded at the smallest of libjpeg's scales (1/2, 1/4, 1/8) that leaves both sides at least twice what is needed, then
   * resized; other files as with `exact`. Default `exact`.
   */
  readonly decode?: 'exact' | 'draft' | undefined
  /** Default: the preparation's own; without one, bicubic. */
  readonly resample?: Resample
}

export interface PrepareOptions extends LoadOptions {
  /** Height and width of the input, or `keep`: the picture's own. Default 224x224. */
  readonly size?: Size2 | 'keep'
  /** For an `exact` preparation: resize to 256/224 of the size and cut the centre, as Chainer's `predict` does. Default false. */
  readonly centerCrop?: boolean
  /** Vary the picture, for training. A random crop takes the place of the preparation's own geometry. */
  readonly augment?: AugmentKey & { readonly options: AugmentOptions }
  /** Write the tensor there instead of into new memory; `tensor` is then a view of it. */
  readonly into?: TensorTarget
}

export interface TenCropOptions extends LoadOptions {
  /** Height and width of each input. Default 224x224. */
  readonly size?: Size2
  readonly into?: TensorTarget
}

export interface Prepared {
  /** (3, inputHeight, inputWidth), of `tenCrop` (10, 3, inputHeight, inputWidth), ready for the network. */
  readonly tensor: Float32Array
  /** The whole picture's size. */
  readonly width: number
  readonly height: number
  readonly inputHeight: number
  readonly inputWidth: number
}

/** Encoded bytes, or a picture that is decoded already. */
export type ImageSource = Uint8Array | RgbImage

/** Pictures that are decoded or being decoded, by the bytes of their pixels: those that wait to be resized count as well. */
const pictures = new Gate(Infinity, pictureBytesAThread * decodingThreads)

/** A picture to prepare, with the size of the whole where it was decoded smaller. */
interface Loaded {
  readonly image: RgbImage
  readonly width: number
  readonly height: number
}

const loaded = (image: RgbImage): Loaded => ({ image, width: image.width, height: image.height })

/** Makes something of a picture; of encoded bytes once there is room for its pixels, which nothing but `make` holds. */
async function withPicture<Made>(
  source: ImageSource,
  options: LoadOptions,
  needed: SizeNeeded,
  make: (picture: Loaded) => Promise<Made>,
): Promise<Made> {
  if (!(source instanceof Uint8Array)) return await make(loaded(checkImage(source)))
  const draft = options.decode === 'draft' ? await planDraft(source, needed, options.autoOrient) : undefined
  if (draft !== undefined) {
    const bytes = (draft.width * draft.height * 3) / draft.scale ** 2
    return await pictures.run(async () => make(await decodeDraft(source, draft, options)), bytes)
  }
  const { width, height } = pictureSize(source) ?? { width: 0, height: 0 }
  return await pictures.run(async () => make(loaded(await decodeImage(source, options))), width * height * 3)
}

/** The part that a geometry resizes of a picture of this size, and its size afterwards. */
const neededFor = (picture: Size2, { before, resized }: Geometry): ReturnType<SizeNeeded> => ({
  part: before === undefined ? picture : [before.height, before.width],
  resized,
})

function checkImage(image: RgbImage): RgbImage {
  if (image.width * image.height * 3 !== image.data.length || image.data.length === 0) {
    throw new RangeError(
      `a picture of ${image.width}x${image.height} pixels needs ${image.width * image.height * 3} bytes, not ${image.data.length}`,
    )
  }
  return image
}

/**
 * Decodes a picture and resizes it to `size` (height, width) without keeping the aspect.
 * @throws LayermillError as `decodeImage` and `resizeImage` do
 */
export async function loadResized(source: ImageSource, size: Size2, options: LoadOptions = {}): Promise<RgbImage> {
  const needed: SizeNeeded = (height, width) => ({ part: [height, width], resized: size })
  return await withPicture(source, options, needed, ({ image }) => resizeImage(image, size[1], size[0], options.resample ?? 'bicubic'))
}

/**
 * Makes the network's input of a picture.
 *
 * `exact` preparations resize to the size without keeping the aspect (Chainer's `prepare`). `crop` preparations resize the short
 * side to `shortSide` and cut the centre (torchvision's presets); for another size S than 224 the short side is scaled by S/224,
 * and a size that is not square is covered likewise. `keep` neither resizes nor cuts. A `rule` says all itself.
 *
 * @throws LayermillError as `decodeImage` and `resizeImage` do; INPUT_SIZE when `into` is too small
 */
export async function prepareImage(source: ImageSource, preparation: Preparation, options: PrepareOptions = {}): Promise<Prepared> {
  // A varied picture is cut anywhere, and is needed whole.
  const needed: SizeNeeded = (height, width) =>
    options.augment === undefined
      ? neededFor([height, width], planGeometry(width, height, preparation.resize, options))
      : { part: [height, width], resized: [height, width] }
  return await withPicture(source, options, needed, picture => prepareDecoded(picture, preparation, options))
}

async function prepareDecoded({ image, ...whole }: Loaded, preparation: Preparation, options: PrepareOptions): Promise<Prepared> {
  const { width, height } = image
  const { augment } = options
  const drawn = augment && drawAugmentation(augment.options, width, height, augment)
  const geometry =
    drawn?.box === undefined
      ? planGeometry(width, height, preparation.resize, options)
      : planGeometry(drawn.box.width, drawn.box.height, { kind: 'exact' }, { size: options.size })
  const part = drawn?.box === undefined ? image : cropImage(image, drawn.box)
  const resample = options.resample ?? preparation.resample
  // Colours are varied on levels.
  const final =
    drawn === undefined
      ? await fitAll(part, geometry, resample, isFloatFilter(resample) ? fitFloats : fit)
      : applyColors(await fitAll(part, geometry, resample, fit), drawn.colors)
  const [inputHeight, inputWidth] = geometry.padded ?? [final.height, final.width]
  const box = { top: 0, left: 0, height: Math.min(final.height, inputHeight), width: Math.min(final.width, inputWidth) }
  const length = 3 * inputHeight * inputWidth
  const target = targetOf(options.into, length)
  if (box.height < inputHeight || box.width < inputWidth) target.data.fill(0, target.offset, target.offset + length)
  const front = (whole: number, part: number): number => (geometry.around === true ? Math.floor((whole - part) / 2) : 0)
  const offset = target.offset + front(inputHeight, box.height) * inputWidth + front(inputWidth, box.width)
  await writeTensor(final, box, drawn?.flip ?? false, preparation, { data: target.data, offset }, new Pacer(), [inputHeight, inputWidth])
  return { tensor: viewOf(target, length), ...whole, inputHeight, inputWidth }
}

/** All steps of a geometry; only what the cut needs is resized. */
async function fitAll<Image extends RgbImage | FloatImage>(
  image: RgbImage,
  { before, resized, crop, fill }: Geometry,
  resample: Resample,
  fitBy: (image: RgbImage, resized: Size2, crop: Box, resample: Resample) => Promise<Image>,
): Promise<Image> {
  const part = before === undefined ? image : cutImage(image, before)
  const inside = within(crop, resized[0], resized[1])
  if (inside === undefined || (inside.height === crop.height && inside.width === crop.width))
    return await fitBy(part, resized, crop, resample)
  const fitted = await fitBy(part, resized, inside, resample)
  return cutImage(fitted, { ...crop, top: crop.top - inside.top, left: crop.left - inside.left }, fill)
}

/** The cut of the resized picture; without a copy where nothing is resized. */
async function fit(image: RgbImage, [height, width]: Size2, crop: Box, resample: Resample): Promise<RgbImage> {
  if (height === image.height && width === image.width) return cropImage(image, crop)
  return await resizeRegion(image, width, height, crop, resample)
}

/** The cut of the resized picture, not rounded to levels where the filter is one of floats. */
async function fitFloats(image: RgbImage, resized: Size2, crop: Box, resample: Resample): Promise<RgbImage | FloatImage> {
  if (!isFloatFilter(resample) || (resized[0] === image.height && resized[1] === image.width))
    return await fit(image, resized, crop, resample)
  return await resizeFloats(image, resized[1], resized[0], crop, resample)
}

/**
 * The ten inputs that Chainer's `predict(oversample=True)` averages: the picture at 256/224 of the size, cut at top left, top
 * right, bottom left, bottom right and centre, then the five mirrored, in this order. A `crop` preparation keeps the aspect.
 * @throws LayermillError as `prepareImage` does
 */
export async function tenCrop(source: ImageSource, preparation: Preparation, options: TenCropOptions = {}): Promise<Prepared> {
  const size = options.size ?? defaultSize
  const needed: SizeNeeded = (height, width) => ({
    part: [height, width],
    resized: uncroppedSize(width, height, preparation.resize, size),
  })
  return await withPicture(source, options, needed, picture => tenCropDecoded(picture, preparation, options))
}

async function tenCropDecoded({ image, ...whole }: Loaded, preparation: Preparation, options: TenCropOptions): Promise<Prepared> {
  const { width, height } = image
  const size = options.size ?? defaultSize
  const resized = uncroppedSize(width, height, preparation.resize, size)
  const cuts = await cutAll(image, resized, fiveBoxes(resized, size), options.resample ?? preparation.resample)
  const length = 3 * size[0] * size[1]
  const target = targetOf(options.into, 10 * length)
  const pacer = new Pacer()
  let offset = target.offset
  for (const mirror of [false, true]) {
    for (const [cut, box] of cuts) {
      await writeTensor(cut, box, mirror, preparation, { data: target.data, offset }, pacer)
      offset += length
    }
  }
  return { tensor: viewOf(target, 10 * length), ...whole, inputHeight: size[0], inputWidth: size[1] }
}

/** Pictures with the boxes to take from them: one resized picture, or where that would be enormous (an extreme aspect) one for each. */
async function cutAll(image: RgbImage, resized: Size2, boxes: readonly Box[], resample: Resample): Promise<[RgbImage, Box][]> {
  if (resized[0] * resized[1] <= maxWholePixels) {
    const whole = await fit(image, resized, { top: 0, left: 0, height: resized[0], width: resized[1] }, resample)
    return boxes.map(box => [whole, box])
  }
  const cuts: [RgbImage, Box][] = []
  for (const box of boxes) cuts.push([await fit(image, resized, box, resample), { ...box, top: 0, left: 0 }])
  return cuts
}

function targetOf(into: TensorTarget | undefined, length: number): TensorTarget {
  if (into === undefined) return { data: new Float32Array(length), offset: 0 }
  if (into.offset < 0 || into.offset + length > into.data.length) {
    throw new LayermillError(
      'INPUT_SIZE',
      `the prepared picture has ${length} values, and there is room for ${into.data.length - into.offset}`,
    )
  }
  return into
}

function viewOf(target: TensorTarget, length: number): Float32Array {
  return target.data.subarray(target.offset, target.offset + length)
}
