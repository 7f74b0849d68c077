import { LayermillError } from '@layermill/core'
import { type SliceTarget, sliceTargets } from '@layermill/models'

/** Flags' texts to the spec's fields. Each throws `SPEC_INVALID` naming what it got and what it expected. */

/** `keep`, or width and height in pixels. */
export type SpecSize = 'keep' | { width: number; height: number }
/** A learning-rate scale for each layer name; `*` is for all others. */
export type LayerScales = Record<string, number>
export type SpecBase = 'frozen' | 'full' | LayerScales
export type SpecSchedule = { kind: 'constant' } | { kind: 'step'; everyEpochs: number; factor: number } | { kind: 'cosine'; floor: number }

export const expected = {
  size: 'WIDTHxHEIGHT in pixels from 1 to 16384, as 320x256, or keep',
  maxErrors: 'a whole number of images, as 20, or a share of them, as 1%',
  partSize: 'a whole number from 1 to 100000, or auto',
  batchSize: 'a whole number from 1 to 4096, or auto',
  layers: 'one or more different layer names, as res4,pool5',
  tokens: 'cls, mean, patches or all, several with commas',
  head: "none or up to two hidden layers' sizes from 1 to 65536, as 512 or 512,256 (the layer to the classes comes by itself)",
  base: 'frozen, full, scaled:FACTOR, or scales of layers as res5=1,res4=0.1,*=0, each from 0 to 1000',
  schedule: 'constant, cosine, cosine:FLOOR, or step:EPOCHS:FACTOR as step:2:0.1 (floor and factor from 0 to 1)',
  augment: 'flip, crop, color, or some of them, as flip,crop',
  validation: 'a share of the images from 0 up to 0.9, or a source of validation images',
  fold: 'one of 2 to 100 parts, as 1/5',
  targets:
    'two or more columns and their kinds (class, multi-label or regression), as species:class,tags:multi-label,weight_kg:regression:0.5 (the factor of its loss)',
  targetName: 'the name of a column, without colon, comma or slash',
  labelColumns: 'one or more different names of columns, as cat,dog',
  loss: 'mse, smooth-l1, or smooth-l1:BETA with a number above 0, as smooth-l1:0.5',
  cacheSize: 'bytes, as 500MB or 20GB',
  maxBytes: 'bytes from 1 up to 2 GiB, as 100MB or 512MiB',
  imageTimeout: 'seconds from 0.001 to 86400, as 60, 90s, 500ms or 2m',
  requireCpu: 'same, or a kind of CPU as x64-avx512, x64-fma, x64-sse or arm64-neon',
  prepare:
    'chainer, keras, torchvision, torchvision-v2, torchvision-plain, transformers, timm:TAG as timm:a1_in1k, torchvision:WEIGHTS as torchvision:ResNet50_Weights.IMAGENET1K_V2, or a file or folder that says it (in a spec over HTTP, its numbers)',
} as const

function refuse(what: keyof typeof expected, text: string): never {
  throw new LayermillError('SPEC_INVALID', `${what}: got ${JSON.stringify(text.slice(0, 80))}, expected ${expected[what]}`)
}

function wholeNumber(what: 'partSize' | 'batchSize' | 'head' | 'size', text: string, largest: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0
  return value >= 1 && value <= largest ? value : refuse(what, text)
}

const units: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 }

/** An amount of bytes, as `500MB` or `20G`; undefined where the text is none. */
export function byteCount(text: string): number | undefined {
  const [, value = '', unit = ''] = /^(\d{1,15}(?:\.\d{1,6})?)\s*([kmgt]?)b?$/i.exec(text.trim()) ?? []
  const factor = units[unit.toLowerCase()]
  return value === '' || factor === undefined ? undefined : Math.floor(Number(value) * factor)
}

/** `--cache-size 20GB`: at least a megabyte. */
export function parseCacheSize(text: string): number {
  const value = byteCount(text) ?? 0
  return value >= 1e6 && Number.isSafeInteger(value) ? value : refuse('cacheSize', text)
}

/** One image's file is hashed and decoded as a whole, which the runtime does up to this many bytes. */
export const mostImageBytes = 2 ** 31 - 1

/** `--max-bytes 512MiB`. */
export function parseMaxBytes(text: string): number {
  const [, binary, unit = ''] = /^(\d{1,10})\s*([kmg])ib$/i.exec(text) ?? []
  const value =
    (binary === undefined
      ? byteCount(text)
      : Number(binary) * { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 }[unit.toLowerCase() as 'k' | 'm' | 'g']) ?? 0
  return value >= 1 && value <= mostImageBytes ? value : refuse('maxBytes', text)
}

const secondsOfUnit: Readonly<Record<string, number>> = { '': 1, ms: 0.001, s: 1, m: 60, h: 3600 }

/** `--image-timeout 60s`, in seconds. */
export function parseImageTimeout(text: string): number {
  const [, value = '', unit = ''] = /^(\d{1,9}(?:\.\d{1,6})?)\s*(ms|s|m|h)?$/i.exec(text) ?? []
  const seconds = value === '' ? 0 : Number(value) * secondsOfUnit[unit.toLowerCase()]!
  return seconds >= 0.001 && seconds <= 86_400 ? seconds : refuse('imageTimeout', text)
}

/** `--require-cpu`: `same`, a kind, or a whole numeric class as `x64-fma.5ebf3070`. */
export const cpuPattern = /^[a-zA-Z0-9][\w-]{0,60}(\.[0-9a-f]{8})?$/

/** `--prepare`: whether the network has such weights is looked at when it is known. */
export const preparePattern =
  /^(chainer|keras|torchvision(-v2|-plain)?|transformers|timm:[A-Za-z0-9][\w.-]{0,99}|torchvision:[A-Za-z]\w{0,63}\.[A-Z]\w{0,63})$/

/** `a, b,` to `['a', 'b']`. */
export function splitList(text: string): string[] {
  return text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
}

/** `--size 320x256` (width first) or `keep`. */
export function parseSize(text: string): SpecSize {
  if (text === 'keep') return 'keep'
  const match = /^(\d{1,5})(?:[xX×](\d{1,5}))?$/.exec(text)
  if (match === null) return refuse('size', text)
  return { width: wholeNumber('size', match[1] ?? '', 16384), height: wholeNumber('size', match[2] ?? match[1] ?? '', 16384) }
}

/** `--max-errors 20` or `1%`: a number of images, or the share as text. */
export function parseMaxErrors(text: string): number | string {
  if (/^\d{1,12}$/.test(text)) return Number(text)
  const share = /^(\d{1,3}(?:\.\d{1,6})?)\s*%$/.exec(text)
  return share !== null && Number(share[1]) <= 100 ? `${Number(share[1])}%` : refuse('maxErrors', text)
}

/** How many of `total` images may fail: at most this many, the share rounded down. */
export function maxErrorsAllowed(maxErrors: number | string, total: number): number {
  const value = typeof maxErrors === 'number' ? maxErrors : parseMaxErrors(maxErrors)
  return typeof value === 'number' ? value : Math.floor((total * Number(value.slice(0, -1))) / 100 + 1e-9)
}

/** `--part-size 512` or `auto`. */
export function parsePartSize(text: string): number | 'auto' {
  return text === 'auto' ? 'auto' : wholeNumber('partSize', text, 100_000)
}

/** `--batch-size 32` or `auto`. */
export function parseBatchSize(text: string): number | 'auto' {
  return text === 'auto' ? 'auto' : wholeNumber('batchSize', text, 4096)
}

/** `--tokens cls,mean`. */
export function parseTokens(text: string): ('cls' | 'mean' | 'patches' | 'all')[] {
  const parts = ['cls', 'mean', 'patches', 'all'] as const
  const names = [...new Set(splitList(text))]
  const found = names.flatMap(name => parts.filter(part => part === name))
  return found.length > 0 && found.length === names.length ? found : refuse('tokens', text)
}

/** `--layers res4,pool5`. */
export function parseLayers(text: string): string[] {
  const layers = splitList(text)
  return layers.length > 0 && new Set(layers).size === layers.length ? layers : refuse('layers', text)
}

/** `--label-columns cat,dog`. */
export function parseLabelColumns(text: string): string[] {
  const names = splitList(text)
  return names.length > 0 && new Set(names).size === names.length ? names : refuse('labelColumns', text)
}

/** One of several targets: a column of labels, their meaning, and the factor of its loss. */
export interface SpecTarget {
  name: string
  kind: SliceTarget
  weight?: number
}

export const targetName = /^[^\p{Cc}:,/]{1,100}$/u

/** `--targets species:class,tags:multi-label,weight_kg:regression:0.5`. */
export function parseTargets(text: string): SpecTarget[] {
  return splitList(text).map(item => {
    const [name = '', kind, weight, ...more] = item.split(':').map(part => part.trim())
    const found = sliceTargets.find(target => target === kind)
    const factor = weight === undefined ? 1 : /^(\d{1,6}(\.\d{1,9})?|\.\d{1,9})$/.test(weight) ? Number(weight) : 0
    if (!targetName.test(name) || found === undefined || factor <= 0 || more.length > 0) return refuse('targets', item)
    return { name, kind: found, ...(weight === undefined ? {} : { weight: factor }) }
  })
}

/** `--loss mse`, `smooth-l1` or `smooth-l1:0.5`. */
export const lossPattern = /^(mse|smooth-l1(:(?!0*\.?0*$)(\d{1,6}(\.\d{1,9})?|\.\d{1,9}))?)$/

/** Kind of a loss of numbers, and the error at which smooth L1 turns into a line. */
export function parseLoss(text = 'mse'): { loss: 'mse' | 'smooth-l1'; beta: number } {
  const [kind, beta = '1'] = text.split(':')
  return { loss: kind === 'smooth-l1' ? kind : 'mse', beta: Number(beta) }
}

/** `--head 512,256`: sizes of the hidden layers before the layer to the classes; `none` or nothing for no hidden layer. */
export function parseHead(text: string): number[] {
  if (text === 'none') return []
  const sizes = splitList(text)
  return sizes.length <= 2 ? sizes.map(size => wholeNumber('head', size, 65_536)) : refuse('head', text)
}

function scale(text: string, whole: string): number {
  const value = /^\d*\.?\d+(?:e-?\d+)?$/i.test(text) ? Number(text) : Number.NaN
  return value >= 0 && value <= 1000 ? value : refuse('base', whole)
}

/** `--fold 2/5`: the second of five parts. */
export function parseFold(text: string): { fold: number; of: number } {
  const [, fold = 0, of = 0] = (/^(\d{1,3})\/(\d{1,3})$/.exec(text) ?? []).map(Number)
  return of >= 2 && of <= 100 && fold >= 1 && fold <= of ? { fold, of } : refuse('fold', text)
}

/** `--base frozen`, `full`, `scaled:0.1` (every layer) or `res5=1,res4=0.1,*=0`. */
export function parseBase(text: string): SpecBase {
  if (text === 'frozen' || text === 'full') return text
  if (text.startsWith('scaled:')) return { '*': scale(text.slice('scaled:'.length), text) }
  const items = splitList(text).map(item => /^([^=:]+)[=:](.+)$/.exec(item) ?? refuse('base', text))
  if (items.length === 0) return refuse('base', text)
  return Object.fromEntries(items.map(item => [(item[1] ?? '').trim(), scale((item[2] ?? '').trim(), text)]))
}

/** A base as scales: `frozen` is `{ '*': 0 }`, `full` is `{ '*': 1 }`; a table without `*` gets `'*': 0`. */
export function baseScales(base: SpecBase): LayerScales {
  if (base === 'frozen') return { '*': 0 }
  if (base === 'full') return { '*': 1 }
  return { '*': 0, ...base }
}

/** Whether no layer of the base learns. */
export function isFrozen(base: SpecBase): boolean {
  return Object.values(baseScales(base)).every(value => value === 0)
}

/** `--schedule constant`, `cosine`, `cosine:0.01` (floor, as a share of the learning rate) or `step:2:0.1`. */
export function parseSchedule(text: string): SpecSchedule {
  const [kind, ...rest] = text.split(':')
  const numbers = rest.map(item => (/^\d*\.?\d+$/.test(item) ? Number(item) : Number.NaN))
  const [first, second] = numbers
  if (kind === 'constant' && rest.length === 0) return { kind }
  if (kind === 'cosine' && rest.length === 0) return { kind, floor: 0 }
  if (kind === 'cosine' && rest.length === 1 && first !== undefined && first <= 1) return { kind, floor: first }
  if (kind === 'step' && rest.length === 2 && first !== undefined && first > 0 && second !== undefined && second > 0 && second <= 1) {
    return { kind, everyEpochs: first, factor: second }
  }
  return refuse('schedule', text)
}

const augmentations = ['flip', 'crop', 'color'] as const
export type Augmentation = (typeof augmentations)[number]

/** `--augment flip,crop,color` or `none`. */
export function parseAugment(text: string): Augmentation[] {
  if (text === 'none') return []
  const wanted = splitList(text)
  const known = augmentations.filter(name => wanted.includes(name))
  return known.length === wanted.length && known.length > 0 ? known : refuse('augment', text)
}

/** `--validation 0.1` (a share) or a source. */
export function parseValidation(text: string): number | string {
  if (!/^[-+]?\d*\.?\d+(?:e[-+]?\d+)?$/i.test(text)) return text === '' ? refuse('validation', text) : text
  const share = Number(text)
  return share >= 0 && share <= 0.9 ? share : refuse('validation', text)
}
