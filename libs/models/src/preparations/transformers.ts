import { LayermillError, nearestNames, roundHalfEven } from '@layermill/core'
import type { CropRounding, Preparation, Resample, ResizeRule, ResizeTarget, Size2 } from '../graph.js'
import { isDeviation, isNumber, isObject, isSide, isTriple } from './fields.js'
import { type ProcessorClass, processorOfType, processors, unsupportedProcessors } from './processors.js'

type Triple = Preparation['mean']
type Geometry = Pick<ResizeRule, 'before' | 'to' | 'crop' | 'pad' | 'around'>

/** A preparation that a file holds. `inputSize` is left out where each picture has a size of its own. */
export interface FilePreparation {
  readonly name: string
  readonly preparation: Preparation
  readonly inputSize?: Size2 | undefined
}

export interface ProcessorFileOptions {
  /** The file, for messages. */
  readonly where: string
  /** `model_type` of the `config.json` beside it, for files of transformers that name no class. */
  readonly modelType?: string | undefined
  /** Pixels and values as transformers' torchvision variant has them. */
  readonly tensors?: boolean | undefined
}

/** `size` as transformers keeps it. */
interface Edges {
  readonly height?: number
  readonly width?: number
  readonly shortest_edge?: number
  readonly longest_edge?: number
  readonly max_height?: number
  readonly max_width?: number
}

const edgeNames = ['height', 'width', 'shortest_edge', 'longest_edge', 'max_height', 'max_width']
/** By Pillow's numbers. */
const filters = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming'] as const satisfies readonly Resample[]
/** torchvision's filters for tensors by Pillow's; there is no box and no Hamming window. */
const tensorFilters: Readonly<Partial<Record<Resample, Resample>>> = {
  nearest: 'torchvision-nearest',
  lanczos: 'torchvision-lanczos',
  bilinear: 'torchvision-bilinear',
  bicubic: 'torchvision-bicubic',
}

/** Those for tensors of floats. The nearest pixel is the same. */
const floatFilters: typeof tensorFilters = { nearest: 'torchvision-nearest', bilinear: 'float-bilinear', bicubic: 'float-bicubic' }

/** A class's fields, those of a file before its own. Null in a file is no default: it takes the class's value away, as in the library. */
class Fields {
  constructor(
    readonly where: string,
    readonly name: string,
    private readonly values: Readonly<Record<string, unknown>>,
    private readonly processor: ProcessorClass,
    readonly tensors: boolean,
  ) {}

  get kind(): ProcessorClass['kind'] {
    return this.processor.kind
  }

  /** Whether a number as size has a longest edge beside it: in RT-DETR's there never was one. */
  get usesMaxSize(): boolean {
    return this.name !== 'RTDetr'
  }

  /** The error of a field. */
  invalid(field: string, expected: string): LayermillError {
    const text = JSON.stringify(this.get(field)) ?? 'nothing'
    return new LayermillError('PREPARATION_INVALID', `${this.where}: ${field} is ${text.slice(0, 100)}, expected ${expected}`)
  }

  get(field: string): unknown {
    return (Object.hasOwn(this.values, field) ? this.values[field] : this.processor.defaults[field]) ?? undefined
  }

  is(field: string): boolean {
    const value = this.get(field) ?? false
    if (typeof value !== 'boolean') throw this.invalid(field, 'true or false')
    return value
  }

  number(field: string): number {
    const value = this.get(field)
    if (!isNumber(value) || value <= 0) throw this.invalid(field, 'a number above 0')
    return value
  }

  side(field: string): number {
    const value = this.get(field)
    if (!isSide(value)) throw this.invalid(field, 'a whole number of pixels')
    return value
  }

  /** Three numbers, or one for all. */
  triple(field: string): Triple {
    const value = this.get(field)
    const triple = isNumber(value) ? [value, value, value] : value
    if (!isTriple(triple)) throw this.invalid(field, 'a number for each of three channels')
    if (field === 'image_std' && !isDeviation(triple)) throw this.invalid(field, 'numbers above 0')
    return [...triple]
  }

  /** Of the start of a cut of the centre. */
  get rounding(): CropRounding {
    return this.tensors || this.kind === 'dinov3' ? 'trunc' : 'floor'
  }

  get resample(): Resample {
    const value = this.get('resample')
    const isFloat = this.kind === 'dinov3' && this.is('do_rescale')
    const ofTensors = isFloat ? floatFilters : this.tensors || this.kind === 'dinov3' ? tensorFilters : undefined
    const known = ofTensors === undefined ? filters : filters.map(name => ofTensors[name])
    const filter = isNumber(value) ? known[value] : undefined
    if (filter !== undefined) return filter
    const numbers = known.flatMap((name, i) => (name === undefined ? [] : [`${i} ${name}`]))
    throw this.invalid('resample', `one of Pillow's numbers (${numbers.join(', ')})`)
  }

  edges(field: string, isSquare = true): Edges {
    const value = this.get(field)
    if (isSide(value)) return isSquare ? { height: value, width: value } : { shortest_edge: value }
    if (Array.isArray(value) && value.length === 2 && value.every(isSide)) return { height: value[0]!, width: value[1]! }
    const sides = isObject(value) ? Object.entries(value).filter(([, side]) => side !== null) : []
    if (sides.length === 0 || !sides.every(([name, side]) => edgeNames.includes(name) && isSide(side))) {
      throw this.invalid(field, 'a number, or sides in pixels as {"height": 224, "width": 224} or {"shortest_edge": 224}')
    }
    return Object.fromEntries(sides) as Edges
  }

  get size(): Edges {
    return this.edges('size', this.processor.default_to_square)
  }

  /** A field of height and width. */
  rectangle(field: string, edges = this.edges(field)): Size2 {
    if (edges.height === undefined || edges.width === undefined) throw this.invalid(field, 'height and width')
    return [edges.height, edges.width]
  }
}

/** The size before the crop, as the classes that inherit it have it. */
function usualTarget(fields: Fields, edges = fields.size): ResizeTarget {
  const { height, width, shortest_edge: side, longest_edge: longest, max_height: maxHeight, max_width: maxWidth } = edges
  if (side !== undefined) return longest === undefined ? { by: 'short', side } : { by: 'short', side, longest }
  if (maxHeight !== undefined && maxWidth !== undefined) return { by: 'within', size: [maxHeight, maxWidth] }
  if (height !== undefined && width !== undefined) return { by: 'size', size: [height, width] }
  throw fields.invalid('size', 'height and width, shortest_edge, or max_height and max_width')
}

const shortTarget = (fields: Fields): number => {
  const side = fields.size.shortest_edge
  if (side === undefined) throw fields.invalid('size', 'shortest_edge')
  return side
}

/** ConvNeXt's: below 384 a larger short side and a crop, from there on a square without a crop. */
function convnextGeometry(fields: Fields): Geometry {
  const side = shortTarget(fields)
  const size: Size2 = [side, side]
  if (side >= 384) return { to: { by: 'size', size } }
  return { to: { by: 'short', side: Math.trunc(side / fields.number('crop_pct')) }, crop: { size, rounding: fields.rounding } }
}

function poolformerTarget(fields: Fields): ResizeTarget {
  if (fields.get('crop_pct') === undefined) return usualTarget(fields)
  const share = fields.number('crop_pct')
  const { shortest_edge: short, height, width } = fields.size
  const scaled = (side: number): number => Math.trunc(side / share)
  if (short !== undefined) return { by: 'short', side: scaled(short) }
  if (height === undefined || width === undefined) throw fields.invalid('size', 'shortest_edge, or height and width')
  return height === width ? { by: 'short', side: scaled(height) } : { by: 'size', size: [scaled(height), scaled(width)] }
}

function dptTarget(fields: Fields): ResizeTarget {
  const size = fields.rectangle('size', fields.size)
  const multiple = fields.side('ensure_multiple_of')
  if (fields.is('keep_aspect_ratio')) return { by: 'near', size, multiple }
  const fitted = (side: number): number => Math.max(multiple, roundHalfEven(side / multiple) * multiple)
  return { by: 'size', size: [fitted(size[0]), fitted(size[1])] }
}

/** Detection's: a rectangle, or the short side with the long one's most, which old files have as a number beside it. */
function detectionTarget(fields: Fields): ResizeTarget {
  const given = fields.size
  const most = fields.get('max_size') ?? 1333
  const edges: Edges =
    isSide(fields.get('size')) && fields.usesMaxSize ? { ...given, longest_edge: isSide(most) ? most : fields.side('max_size') } : given
  if (edges.shortest_edge !== undefined && edges.longest_edge === undefined)
    throw fields.invalid('size', 'longest_edge beside shortest_edge')
  const to = usualTarget(fields, edges)
  return fields.kind === 'yolos' && to.by === 'short' ? { ...to, down: 16 } : to
}

function targetOf(fields: Fields): ResizeTarget {
  if (!fields.is('do_resize')) return { by: 'none' }
  if (fields.kind === 'glpn') return { by: 'own', multiple: fields.side('size_divisor') }
  if (fields.kind === 'detr' || fields.kind === 'yolos') return detectionTarget(fields)
  const { shortest_edge: short } = fields.size
  switch (fields.kind) {
    case 'levit':
      return short === undefined ? usualTarget(fields) : { by: 'short', side: Math.trunc((256 / 224) * short) }
    case 'poolformer':
      return poolformerTarget(fields)
    case 'dpt':
      return dptTarget(fields)
    case 'textnet':
      return { by: 'short', side: shortTarget(fields), multiple: fields.side('size_divisor') }
    case 'vilt': {
      const side = shortTarget(fields)
      return { by: 'between', side, longest: Math.trunc((1333 / 800) * side), multiple: fields.side('size_divisor') }
    }
    case 'sam':
      return { by: 'long', side: fields.size.longest_edge ?? fields.side('size.longest_edge') }
    default:
      return usualTarget(fields)
  }
}

/** Perceiver's cut comes first, and is a share of the picture. */
function perceiverGeometry(fields: Fields): Geometry {
  const size = fields.rectangle('size', fields.size)
  const to = targetOf(fields)
  if (!fields.is('do_center_crop')) return { to }
  const whole = fields.rectangle('crop_size')
  const before: Size2 = [size[0] / whole[0], size[1] / whole[1]]
  if (fields.tensors && before.some(share => share > 1))
    throw fields.invalid('crop_size', 'at least the size, of which the first cut is a share')
  return { before, to }
}

/** Kinds that have no crop, whatever the file says. */
const uncut: ReadonlySet<string> = new Set(['dpt', 'detr', 'yolos', 'vilt', 'glpn'])

function geometryOf(fields: Fields): Geometry {
  if (fields.kind === 'perceiver') return perceiverGeometry(fields)
  const own = fields.kind === 'convnext' && fields.is('do_resize') ? convnextGeometry(fields) : undefined
  const cuts = !uncut.has(fields.kind) && fields.is('do_center_crop')
  if (cuts && fields.get('crop_size') === undefined) throw fields.invalid('crop_size', 'height and width, as do_center_crop is true')
  const to = own?.to ?? targetOf(fields)
  const crop = cuts ? { size: fields.rectangle('crop_size'), rounding: fields.rounding } : undefined
  return { to, ...cropOf(fields, own?.crop, crop), ...padOf(fields, to) }
}

/** The cut of a class, the cut that the file asks for, or the second of the first. */
function cropOf(fields: Fields, first: ResizeRule['crop'], asked: ResizeRule['crop']): Pick<ResizeRule, 'crop'> {
  const crop = asked ?? first
  if (first === undefined || asked === undefined) return crop === undefined ? {} : { crop }
  if (asked.size.some((side, i) => side > first.size[i]!)) {
    throw fields.invalid('crop_size', `at most ${first.size[1]}x${first.size[0]}, which this class cuts by crop_pct first`)
  }
  return { crop: { ...asked, of: first.size } }
}

/** DPT's margins around a picture: up to multiples of a number of pixels. */
function dptPad(fields: Fields, to: ResizeTarget): Pick<ResizeRule, 'pad' | 'around'> {
  if (!fields.is('do_pad') || fields.get('size_divisor') === undefined) return {}
  if (to.by !== 'size') throw fields.invalid('do_pad', 'false where keep_aspect_ratio gives each picture a size of its own')
  const divisor = fields.side('size_divisor')
  const padded = (side: number): number => Math.ceil(side / divisor) * divisor
  return { pad: [padded(to.size[0]), padded(to.size[1])], around: true }
}

/** Kinds that have a margin by `pad_size`. A margin without a size is for pictures that are joined: one alone has none. */
const padding: ReadonlySet<string> = new Set(['usual', 'sam', 'poolformer', 'detr', 'yolos'])

function padOf(fields: Fields, to: ResizeTarget): Pick<ResizeRule, 'pad' | 'around'> {
  if (fields.kind === 'dpt') return dptPad(fields, to)
  const pads = padding.has(fields.kind)
  return pads && fields.is('do_pad') && fields.get('pad_size') !== undefined ? { pad: fields.rectangle('pad_size') } : {}
}

/** 1 / factor is not the quotient that gives the same values everywhere; for the usual factors it is a whole number or a half. */
function divisorOf(factor: number): number {
  const exact = 1 / factor
  const near = Math.round(exact * 2) / 2
  return Math.abs(near - exact) < 1e-9 * exact ? near : exact
}

const zero: Triple = [0, 0, 0]
const one: Triple = [1, 1, 1]

/** Mean and deviation times what levels would be divided by, in float32: the torchvision variant does both in one. */
function fused(fields: Fields): Pick<Preparation, 'divisor' | 'mean' | 'std'> {
  const by = Math.fround(1 / fields.number('rescale_factor'))
  const times = ([red, green, blue]: Triple): Triple => {
    const scaled = (value: number): number => Math.fround(Math.fround(value) * by)
    return [scaled(red), scaled(green), scaled(blue)]
  }
  return { divisor: 1, mean: times(fields.triple('image_mean')), std: times(fields.triple('image_std')) }
}

function valuesOf(fields: Fields): Pick<Preparation, 'divisor' | 'mean' | 'std' | 'again'> {
  const rescales = fields.is('do_rescale')
  const steps: { mean: Triple; std: Triple }[] = []
  if (fields.kind === 'efficientnet' && rescales && fields.is('rescale_offset')) steps.push({ mean: one, std: one })
  // MobileViT's has mean and deviation, and does not use them.
  const normalises = fields.kind !== 'mobilevit' && fields.is('do_normalize')
  if (normalises) steps.push({ mean: fields.triple('image_mean'), std: fields.triple('image_std') })
  if (fields.kind === 'efficientnet' && fields.is('include_top')) steps.push({ mean: zero, std: fields.triple('image_std') })
  const [first = { mean: zero, std: one }, ...rest] = steps
  const again = rest.length === 0 ? {} : { again: rest }
  const isFused = fields.tensors && fields.kind !== 'dinov3' && rescales && normalises && first.mean !== one
  if (isFused) return { ...fused(fields), ...again }
  const factor = rescales ? fields.number('rescale_factor') : 1
  return { divisor: fields.tensors && fields.kind !== 'dinov3' ? 1 / Math.fround(factor) : divisorOf(factor), ...first, ...again }
}

/** The size of what comes out; undefined where it depends on the picture. */
function inputOfRule({ to, crop, pad }: Geometry): Size2 | undefined {
  return pad ?? crop?.size ?? (to.by === 'size' ? to.size : undefined)
}

/** The name of a class without what says which library or variant it is of. */
function className(value: Readonly<Record<string, unknown>>, modelType: string | undefined): string | undefined {
  const named = value['image_processor_type'] ?? value['feature_extractor_type']
  if (typeof named === 'string') return named.replace(/(Pil|Fast)$/, '').replace(/(ImageProcessor|FeatureExtractor)$/, '')
  return modelType === undefined ? undefined : (processorOfType(modelType) ?? modelType)
}

/**
 * Reads transformers' `preprocessor_config.json`, of any version, as the class does that it names. Pixels and values are those of the
 * library's Pillow variant (`backend="pil"`), or of its torchvision variant where `tensors` asks for it.
 * @throws LayermillError `PREPARATION_INVALID` naming the field, or a class whose way is not known here
 */
export function transformersPreparation(
  value: Readonly<Record<string, unknown>>,
  { where, modelType, tensors = false }: ProcessorFileOptions,
): FilePreparation {
  const name = className(value, modelType)
  if (name === undefined) {
    throw new LayermillError(
      'PREPARATION_INVALID',
      `${where}: neither image_processor_type nor feature_extractor_type says whose class it is`,
      {
        hint: 'name it there, or put the config.json of the model beside it',
      },
    )
  }
  const reason = Object.entries(unsupportedProcessors).find(([candidate]) => candidate.toLowerCase() === name.toLowerCase())?.[1]
  if (reason !== undefined) {
    throw new LayermillError('PREPARATION_INVALID', `${where}: ${name}ImageProcessor cannot be done here: ${reason}`, {
      hint: 'prepare tensors with the library; `models check FILE --input x.npy` computes layers of them',
    })
  }
  const known = Object.keys(processors).find(candidate => candidate.toLowerCase() === name.toLowerCase())
  if (known === undefined) {
    throw new LayermillError('PREPARATION_INVALID', `${where}: the way of ${name}ImageProcessor is not known here`, {
      hint: `known are ${Object.keys(processors).join(', ')}; nearest is ${nearestNames(name, Object.keys(processors)).join(' or ')}`,
    })
  }
  const fields = new Fields(
    where,
    known,
    known === 'OwlViT' && 'rescale' in value ? { ...value, do_rescale: value['rescale'] } : value,
    processors[known]!,
    tensors || processors[known]!.tensors === true,
  )
  const geometry = geometryOf(fields)
  const input = inputOfRule(geometry)
  const flips = fields.kind === 'mobilevit' && fields.is('do_flip_channel_order')
  const preparation: Preparation = {
    channels: flips ? 'bgr' : 'rgb',
    ...valuesOf(fields),
    resize: { kind: 'rule', ...(input === undefined ? {} : { input }), ...geometry },
    resample: geometry.to.by === 'none' ? 'bilinear' : fields.resample,
  }
  return {
    name: `transformers:${known}ImageProcessor${tensors ? '#torchvision' : ''}`,
    preparation,
    ...(input === undefined ? {} : { inputSize: input }),
  }
}
