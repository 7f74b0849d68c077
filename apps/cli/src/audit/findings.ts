import {
  type AuditComponents,
  fitComponents,
  onComponents,
  averageRanks,
  duplicateGroups,
  foldsOf,
  indexedNeighbours,
  measuredRecall,
  labelScores,
  type MatrixProduct,
  nearestNeighbours,
  type NeighbourOptions,
  type Neighbours,
  nearestRatios,
  type OpenNeighbourIndex,
  outlierNeighbour,
  outlierScores,
  outOfFoldProbabilities,
  referenceNeighbour,
  rank,
  type Rows,
  type RowSource,
  sourceOf,
  takeRows,
  withNeighbours,
} from '@layermill/analysis'

/** Reasons to look at an image, in the order of reports. */
export const findingKinds = ['exact-duplicate', 'near-duplicate', 'leak', 'label', 'outlier', 'dark', 'blurred', 'tiny'] as const
export type FindingKind = (typeof findingKinds)[number]

/** One image that should be looked at, and why. */
export interface Finding {
  readonly key: string
  readonly finding: FindingKind
  /**
   * Ratio of distances (duplicates and leaks, 0 for the same bytes), probability of the given label or its margin, distance to the 40th
   * neighbour with what sets it apart, brightness from 0 to 1 (dark), share of the median sharpness (blurred), pixels (tiny).
   */
  readonly score: number
  /** Images that are found together. */
  readonly group: number | undefined
  readonly label: string | undefined
  /** Likeliest class of a suspect label; held-out image of a leak; `contradiction` where a group has several labels. */
  readonly detail: string | undefined
}

/** Two classes of which images are taken for each other, by a classifier that has not seen them. */
export interface Confusable {
  readonly classes: readonly [string, string]
  /** Images of one that are taken for the other. */
  readonly images: number
  /** Of the images of both. */
  readonly share: number
  /** Chance that it finds an image of the first more like the first than one of the second: 0.5 where it cannot tell them apart. */
  readonly auc: number
}

/** Images with their features. */
export interface AuditedImages {
  readonly source: RowSource
  readonly keys: readonly string[]
  readonly labels: readonly (string | undefined)[]
  /** SHA-256 of the files; none where they are not known. */
  readonly sha256: readonly string[]
  /** Pixels of the pictures as decoded. */
  readonly sizes: readonly { readonly width: number; readonly height: number }[]
}

/** Keeps components and neighbours from one audit to the next. */
export interface NeighbourKeeper {
  componentsFor(source: RowSource, fit: () => Promise<AuditComponents>): Promise<AuditComponents>
  neighboursFor<Found extends Neighbours>(
    name: 'near' | 'far',
    source: RowSource,
    options: NeighbourOptions,
    find: () => Promise<Found>,
  ): Promise<Found | Neighbours>
}

export interface AuditOptions {
  readonly product: MatrixProduct
  readonly seed: string
  readonly labelScore: 'self-confidence' | 'margin'
  /** Most suspect labels and outliers to name. */
  readonly labels: number
  readonly outliers: number
  /** Tells which findings somebody has dismissed: they are not named again, and others take their places. */
  readonly isDismissed?: (key: string, finding: Finding['finding']) => boolean
  /** Finds neighbours by an index; exact without it. */
  readonly openIndex?: OpenNeighbourIndex | undefined
  /** Keeps components and neighbours for the next audit, and has those of the one before. */
  readonly kept?: NeighbourKeeper | undefined
  readonly signal: AbortSignal
  readonly onProgress: (step: string, done: number, total: number) => void
}

const folds = 5

interface GroupsFound extends Pick<AuditOptions, 'isDismissed'> {
  readonly groups: readonly (readonly number[])[]
  /** Number of the first of them. */
  readonly first: number
}

function withGroup(
  images: AuditedImages,
  finding: Finding['finding'],
  { groups: all, first, isDismissed = () => false }: GroupsFound,
  score: (row: number) => number,
): Finding[] {
  const groups = all.map(rows => rows.filter(row => !isDismissed(images.keys[row]!, finding))).filter(rows => rows.length > 1)
  return groups.flatMap((rows, i) => {
    const labels = new Set(rows.map(row => images.labels[row]))
    const detail = labels.size > 1 ? 'contradiction' : undefined
    return rows.map(row => ({ key: images.keys[row]!, finding, score: score(row), group: first + i, label: images.labels[row], detail }))
  })
}

/** Files with the same bytes. */
function exactGroups({ sha256 }: AuditedImages): number[][] {
  // Lists for those alone that have company: most have none.
  const firsts = new Map<string, number>()
  const groups = new Map<number, number[]>()
  for (const [row, hash] of sha256.entries()) {
    if (hash === '') continue
    const first = firsts.get(hash)
    if (first === undefined) firsts.set(hash, row)
    else if (groups.has(first)) groups.get(first)!.push(row)
    else groups.set(first, [first, row])
  }
  return [...groups.values()].toSorted(([a], [b]) => a! - b!)
}

/** The rows with the smallest scores, the smallest first. */
function smallest(scores: Float64Array, count: number, isOpen: (row: number) => boolean): number[] {
  return Array.from(scores.keys())
    .filter(isOpen)
    .sort((a, b) => scores[a]! - scores[b]! || a - b)
    .slice(0, count)
}

interface LabelsFound {
  readonly findings: Finding[]
  readonly confusable: readonly Confusable[]
}

/** Pairs of classes that are named. */
const mostPairs = 20

/** Area under the curve below which two classes cannot be told apart. */
const apartFrom = 0.7

export const cannotBeToldApart = ({ auc }: Confusable): boolean => auc < apartFrom

/** Share of pairs of an image labelled `a` and one labelled `b` of which the first has the higher log odds of `a`; ties count half. */
function aucOf(found: Float64Array, labels: ArrayLike<number>, classes: number, [a, b]: readonly [number, number]): number {
  const rows: number[] = []
  for (let row = 0; row < labels.length; row++) if (labels[row] === a || labels[row] === b) rows.push(row)
  const odds = Float64Array.from(rows, row => Math.log(found[row * classes + a]! + 1e-300) - Math.log(found[row * classes + b]! + 1e-300))
  const ranks = averageRanks(rank(odds))
  let [sum, first] = [0, 0]
  for (const [i, row] of rows.entries()) {
    if (labels[row] !== a) continue
    sum += ranks[i]!
    first++
  }
  return (sum - (first * (first + 1)) / 2) / (first * (rows.length - first))
}

/**
 * Pairs of classes by the share of their images that are taken for the other, largest first.
 * @param found out-of-fold probabilities, rows x classes
 */
export function confusablePairs(
  found: Float64Array,
  labels: ArrayLike<number>,
  suggested: ArrayLike<number>,
  classes: readonly string[],
): Confusable[] {
  const sizes = new Float64Array(classes.length)
  const taken = new Map<number, number>()
  for (let row = 0; row < labels.length; row++) {
    const [own, other] = [labels[row]!, suggested[row]!]
    sizes[own]!++
    const pair = Math.min(own, other) * classes.length + Math.max(own, other)
    if (own !== other) taken.set(pair, (taken.get(pair) ?? 0) + 1)
  }
  return [...taken]
    .map(([pair, images]) => {
      const [a, b] = [Math.floor(pair / classes.length), pair % classes.length]
      return { a, b, images, share: images / (sizes[a]! + sizes[b]!), names: [classes[a]!, classes[b]!] as const }
    })
    .toSorted((x, y) => y.share - x.share || y.images - x.images || (x.names.join() < y.names.join() ? -1 : 1))
    .slice(0, mostPairs)
    .map(({ a, b, images, share, names }) => ({ classes: names, images, share, auc: aucOf(found, labels, classes.length, [a, b]) }))
}

function labelFindings(images: AuditedImages, components: Rows, near: Neighbours, options: AuditOptions): LabelsFound {
  const known = Array.from(images.labels.keys()).filter(row => images.labels[row] !== undefined)
  const classes = [...new Set(known.map(row => images.labels[row]!))].sort()
  if (classes.length < 2 || known.length < 2 * folds) return { findings: [], confusable: [] }
  const x = known.length === components.rows ? components : takeRows(components, known)
  const places = new Map(classes.map((name, i) => [name, i]))
  const labels = Uint32Array.from(known, row => places.get(images.labels[row]!)!)
  const alone = outOfFoldProbabilities(x, labels, classes.length, foldsOf(known.length, folds, options.seed), {
    onFold: (done, total) => options.onProgress('labels', done, total),
  })
  const found = withNeighbours(
    alone,
    classes.length,
    row => near.places.subarray(known[row]! * near.count, (known[row]! + 1) * near.count),
    place => (images.labels[place] === undefined ? undefined : places.get(images.labels[place])),
  )
  const scores = labelScores(found, labels, classes.length)
  const score = options.labelScore === 'margin' ? scores.margin : scores.selfConfidence
  const isOpen = (i: number): boolean => options.isDismissed?.(images.keys[known[i]!]!, 'label') !== true
  const findings = smallest(score, options.labels, isOpen).map((i): Finding => ({
    key: images.keys[known[i]!]!,
    finding: 'label',
    score: score[i]!,
    group: undefined,
    label: images.labels[known[i]!],
    detail: classes[scores.suggested[i]!],
  }))
  return { findings, confusable: confusablePairs(found, labels, scores.suggested, classes) }
}

/** Findings of an audit, and the classes that are taken for each other. */
export interface Audited {
  readonly findings: readonly Finding[]
  readonly confusable: readonly Confusable[]
  /** Share of the exact neighbours that an index found, the smaller of those on features and on components; none where they are exact. */
  readonly recall: number | undefined
}

/** Neighbours by the index, where there is one, or exact, with the recall; from those of an earlier audit, where they are kept. */
async function neighboursOf(
  source: RowSource,
  step: 'near duplicates' | 'outliers',
  { product, signal, onProgress, openIndex, kept }: AuditOptions,
): Promise<Neighbours & { readonly recall?: number }> {
  const [name, count] = step === 'outliers' ? (['far', outlierNeighbour] as const) : (['near', referenceNeighbour] as const)
  const by = { product, count, signal, onProgress: (done: number, total: number): void => onProgress(step, done, total) }
  const find = (): Promise<Neighbours & { readonly recall?: number }> =>
    openIndex === undefined ? nearestNeighbours(source, by) : indexedNeighbours(source, openIndex, by)
  if (kept === undefined) return find()
  const found: Neighbours & { readonly recall?: number } = await kept.neighboursFor(name, source, by, find)
  // An index's distances are in float32: rows that have not changed have what it found of them.
  const isExact = found.recall !== undefined || found.distances instanceof Float64Array
  return isExact ? found : { ...found, recall: await measuredRecall(source, found, { product, signal }) }
}

/** Groups of near duplicates, the first of them numbered `first`; the neighbours that tell them are let go. */
async function nearDuplicates(images: AuditedImages, first: number, options: AuditOptions) {
  const near = await neighboursOf(images.source, 'near duplicates', options)
  const [ratios, groups] = [nearestRatios(near), duplicateGroups(near)]
  const findings = withGroup(images, 'near-duplicate', { ...options, groups, first }, row => ratios[row]!)
  return { findings, recall: near.recall }
}

/**
 * Finds what is wrong with images by their features. Files with the same bytes. Near duplicates, by the distance to the nearest over that
 * to the tenth. Suspect labels, by a classifier that has not seen the image (Northcutt et al. 2021). Outliers, by the distance to the 40th
 * neighbour. Exact, in n^2 operations, or by an index.
 */
export async function auditImages(images: AuditedImages, options: AuditOptions): Promise<Audited> {
  const { product, signal, isDismissed } = options
  const exact = exactGroups(images)
  const findings = withGroup(images, 'exact-duplicate', { groups: exact, first: 1, isDismissed }, () => 0)
  if (images.source.rows < 3) return { findings, confusable: [], recall: undefined }
  const near = await nearDuplicates(images, exact.length + 1, options)
  findings.push(...near.findings)
  const fit = (): Promise<AuditComponents> => fitComponents(images.source, product, signal)
  const fitted = options.kept === undefined ? await fit() : await options.kept.componentsFor(images.source, fit)
  const components = await onComponents(images.source, fitted, product, signal)
  const far = await neighboursOf(sourceOf(components), 'outliers', options)
  const labelled = labelFindings(images, components, far, options)
  findings.push(...labelled.findings)
  const scores = outlierScores(far)
  const worst = smallest(
    scores.map(score => -score),
    options.outliers,
    row => isDismissed?.(images.keys[row]!, 'outlier') !== true,
  )
  for (const row of worst) {
    findings.push({
      key: images.keys[row]!,
      finding: 'outlier',
      score: scores[row]!,
      group: undefined,
      label: images.labels[row],
      detail: undefined,
    })
  }
  const recall = near.recall === undefined || far.recall === undefined ? undefined : Math.min(near.recall, far.recall)
  return { findings, confusable: labelled.confusable, recall }
}
