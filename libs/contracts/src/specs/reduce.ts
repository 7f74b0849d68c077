import { LayermillError } from '@layermill/core'

export const reduceKinds = ['none', 'avg', 'max', 'pca', 'srp', 'random'] as const
export type ReduceKind = (typeof reduceKinds)[number]

/** Reduction of one layer's rows before they are written. */
export interface ReduceRule {
  readonly kind: ReduceKind
  /** Numbers that are left of a row: at most; of pca, srp and random. */
  readonly components: number
  /** Of srp and random. */
  readonly seed: number
  /** The mean of the sample is subtracted. */
  readonly center: boolean
  /** Components are divided by their standard deviation; of pca. */
  readonly whiten: boolean
  /** Rows are divided by their Euclidean length, last. */
  readonly l2: boolean
}

const refuse = (text: string): never => {
  throw new LayermillError('SPEC_INVALID', `--reduce: got ${JSON.stringify(text)}, expected ${reduceText}`)
}

export const reduceText =
  'none, avg, max, pca:COMPONENTS, srp:COMPONENTS[:SEED] or random:COMPONENTS[:SEED], for all layers or by layer, as res4=pca:256,pool5=none'

/** One kind with its numbers, written in one way. */
function canonicalKind(text: string, whole: string): string {
  const [, kind = '', components, seed] = /^([a-z]+)(?::(\d{1,6}))?(?::(\d{1,10}))?$/.exec(text) ?? refuse(whole)
  if (kind === 'none' || kind === 'avg' || kind === 'max') return components === undefined ? kind : refuse(whole)
  if (kind !== 'pca' && kind !== 'srp' && kind !== 'random') return refuse(whole)
  if (components === undefined || Number(components) < 1) return refuse(whole)
  if (kind === 'pca') return seed === undefined ? `pca:${Number(components)}` : refuse(whole)
  return `${kind}:${Number(components)}:${Number(seed ?? 0)}`
}

/**
 * `--reduce pca:256` or `res4=pca:256,*=none`, written in one way.
 * @throws LayermillError `SPEC_INVALID`
 */
export function parseReduce(text: string): string {
  const seen = new Set<string>()
  const parts = text.split(',').map(part => {
    const [, layer, kind = part] = /^([^=]+)=(.+)$/.exec(part.trim()) ?? []
    const name = layer?.trim() ?? '*'
    if (seen.has(name)) return refuse(text)
    seen.add(name)
    return `${name}=${canonicalKind(kind.trim(), text)}`
  })
  return parts.join(',')
}

interface ReduceFields {
  readonly reduce?: string | undefined
  readonly center?: boolean | undefined
  readonly whiten?: boolean | undefined
  readonly l2?: boolean | undefined
}

/** The rule of a layer as one text, part of the run's identity; undefined where its rows are written as they are. */
export function reductionText(spec: ReduceFields, layer: string): string | undefined {
  const rules = new Map((spec.reduce ?? '*=none').split(',').map(part => part.split('=') as [string, string]))
  const kind = rules.get(layer) ?? rules.get('*') ?? 'none'
  const flags = (['center', 'whiten', 'l2'] as const).filter(flag => spec[flag] === true && (flag !== 'whiten' || kind.startsWith('pca')))
  return kind === 'none' && flags.length === 0 ? undefined : [kind, ...flags].join('+')
}

/** A rule from its text. */
export function parseRule(text: string): ReduceRule {
  const [kind = 'none', ...flags] = text.split('+')
  const [name = 'none', components = '0', seed = '0'] = kind.split(':')
  const has = (flag: string): boolean => flags.includes(flag)
  return {
    kind: name as ReduceKind,
    components: Number(components),
    seed: Number(seed),
    center: has('center'),
    whiten: has('whiten'),
    l2: has('l2'),
  }
}

/** Whether a rule needs numbers of a sample: components, or a mean. */
export const needsFit = ({ kind, center }: ReduceRule): boolean => kind === 'pca' || center

/** Shape of a reduced row. */
export function reducedShape(shape: readonly number[], { kind, components }: ReduceRule): readonly number[] {
  if (kind === 'avg' || kind === 'max') return shape.length === 3 ? [shape[0]!] : shape
  if (kind === 'none') return shape
  const columns = shape.reduce((product, size) => product * size, 1)
  if (kind !== 'pca' && columns <= components) return shape
  return [Math.min(columns, components)]
}
