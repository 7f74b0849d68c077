import { createHash } from 'node:crypto'
import { labelNames, pairedBootstrap } from '@layermill/training'
import type { Evaluation } from '@layermill/contracts'

/** Draws are the same whenever the same answers are judged. */
const seed = 0

/** A held-out image and its class. */
export interface HeldOutImage {
  readonly key: string
  readonly label: string
}

/** One version's answers. */
export interface Answers {
  readonly version: number
  readonly classes: readonly string[]
  /** The class that it takes each image for, by key; images that could not be computed are missing. */
  readonly predicted: ReadonlyMap<string, string>
}

export interface GateInput {
  readonly images: readonly HeldOutImage[]
  readonly champion: Answers
  readonly challenger: Answers
  /** Images have several labels, in JSON lists, and are right where all of them are. */
  readonly isMultiLabel?: boolean
  /** Score of an answer, 0 to 1, where it is not right or wrong; labels are no classes then. */
  readonly score?: (label: string, answer: string) => number
  /** Name of the mean of the scores, for the reason. Default: accuracy. */
  readonly measure?: string
  /** Accuracy that the challenger may lose, 0 to 1. */
  readonly margin: number
}

export interface Judgement {
  readonly promoted: boolean
  readonly reason: string
  readonly images: number
  readonly compared: number
  readonly heldOutSha256: string
  readonly numbers: Pick<Evaluation, 'champion' | 'challenger' | 'bootstrap' | 'classes'>
}

const percent = (share: number): string => `${(share * 100).toFixed(1)}%`
const some = (names: readonly string[]): string => `${names.slice(0, 3).join(', ')}${names.length > 3 ? ', ...' : ''}`
const among = (names: readonly string[], known: readonly string[]): string[] => names.filter(name => !known.includes(name))

/** Of the keys and labels of held-out images, in their order. */
export const heldOutSha256 = (images: readonly HeldOutImage[]): string =>
  createHash('sha256')
    .update(images.map(({ key, label }) => `${JSON.stringify([key, label])}\n`).join(''))
    .digest('hex')

/**
 * Whether a challenger may replace the champion: its accuracy must not be lower by more than the margin, with 95% confidence (one-sided
 * paired bootstrap). Classes that only the challenger knows are left out of the comparison: the champion could not have named them. A
 * challenger that lacks one of the champion's is not promoted by itself: whoever relies on that class would lose it.
 */
export async function judge(input: GateInput): Promise<Judgement> {
  const { images, champion, challenger, margin, isMultiLabel = false, score: scoreOf, measure = 'accuracy' } = input
  const classes = { added: among(challenger.classes, champion.classes), removed: among(champion.classes, challenger.classes) }
  const known = new Set(champion.classes)
  const isKnown = (label: string): boolean =>
    scoreOf !== undefined || (isMultiLabel ? labelNames(label).every(name => known.has(name)) : known.has(label))
  const compared = images.filter(({ key, label }) => isKnown(label) && champion.predicted.has(key) && challenger.predicted.has(key))
  const result = { images: images.length, compared: compared.length, heldOutSha256: heldOutSha256(images) }
  const differing = classes.added.length + classes.removed.length > 0 ? { classes } : {}
  if (compared.length === 0) {
    return {
      ...result,
      promoted: false,
      reason: 'no held-out image is of a class that both versions know: they cannot be compared',
      numbers: differing,
    }
  }
  const scored = ({ predicted }: Answers): number[] =>
    compared.map(({ key, label }) => {
      const answer = predicted.get(key)!
      return scoreOf === undefined ? Number(answer === label) : scoreOf(label, answer)
    })
  const [before, after] = [scored(champion), scored(challenger)]
  const bootstrap = await pairedBootstrap(before, after, { seed })
  const score = ({ version }: Answers, answers: readonly number[]): NonNullable<Evaluation['champion']> => {
    const correct = answers.reduce((sum, value) => sum + value, 0)
    return { version, correct, accuracy: correct / answers.length }
  }
  const numbers = { ...differing, champion: score(champion, before), challenger: score(challenger, after), bootstrap }
  const promoted = classes.removed.length === 0 && bootstrap.lower > -margin
  return { ...result, promoted, reason: reasonOf(numbers, { margin, promoted, compared: compared.length, classes, measure }), numbers }
}

function reasonOf(
  {
    champion,
    challenger,
    bootstrap,
  }: {
    champion: NonNullable<Evaluation['champion']>
    challenger: NonNullable<Evaluation['challenger']>
    bootstrap: NonNullable<Evaluation['bootstrap']>
  },
  {
    margin,
    promoted,
    compared,
    classes,
    measure,
  }: { margin: number; promoted: boolean; compared: number; classes: { added: string[]; removed: string[] }; measure: string },
): string {
  const scores = `${measure} ${percent(challenger.accuracy)} on ${compared} held-out images, version ${champion.version} has ${percent(champion.accuracy)}`
  const added =
    classes.added.length === 0 ? '' : `; compared without the new class${classes.added.length > 1 ? 'es' : ''} ${some(classes.added)}`
  if (classes.removed.length > 0) return `it does not know ${some(classes.removed)}, which version ${champion.version} knows; ${scores}`
  const bound = `the difference is ${percent(bootstrap.difference)}, with 95% confidence above ${percent(bootstrap.lower)}`
  return `${scores}: ${bound}, ${promoted ? 'which is within' : 'which is not within'} the margin of ${percent(margin)}${added}`
}
