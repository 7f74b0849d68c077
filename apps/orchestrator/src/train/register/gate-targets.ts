import type { Evaluation } from '@layermill/contracts'
import type { ModelHead } from '@layermill/models'
import { headLabels, labelNames, labelNumbers, rowsOfHead } from '@layermill/training'
import { type Answers, heldOutSha256, type HeldOutImage, judge, type Judgement } from './gate.js'

/** One version's answers to several targets. */
export interface TargetAnswers extends Answers {
  /** None where it is no model of several targets. */
  readonly heads: readonly ModelHead[]
}

export interface TargetGateInput {
  /** Labels are JSON objects of values by target, and so are the versions' answers. */
  readonly images: readonly HeldOutImage[]
  readonly champion: TargetAnswers
  readonly challenger: TargetAnswers
  /** Share that the challenger may lose of each target, 0 to 1. */
  readonly margin: number
}

const kindOf = ({ target }: ModelHead): string => target?.kind ?? 'class'

/** One form of several labels. */
const sorted = (text: string): string => JSON.stringify(labelNames(text).toSorted())

/**
 * Score of numbers: 1 less the error in units of the held-out values' mean distance from their mean, 0 at least; the mean over the
 * numbers. So it is 1 where all are met and about 0 for a constant.
 */
function numberScore(images: readonly HeldOutImage[]): (label: string, answer: string) => number {
  const rows = images.map(({ label }) => labelNumbers(label) ?? [])
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
  const spreads = (rows[0] ?? []).map((_, k) => {
    const own = rows.map(row => row[k]!)
    const center = mean(own)
    return mean(own.map(value => Math.abs(value - center))) || 1
  })
  return (label, answer) => {
    const [wanted, given] = [labelNumbers(label) ?? [], labelNumbers(answer) ?? []]
    if (given.length !== wanted.length) return 0
    return mean(wanted.map((value, k) => Math.max(0, 1 - Math.abs(given[k]! - value) / spreads[k]!)))
  }
}

/** A version's answers to one target. */
function answersTo({ version, predicted, heads }: TargetAnswers, name: string, isMultiLabel: boolean): Answers {
  const own = [...predicted].flatMap(([key, text]): [string, string][] => {
    const answer = headLabels({ key, label: text }).get(name)
    return answer === undefined ? [] : [[key, isMultiLabel ? sorted(answer) : answer]]
  })
  return { version, classes: heads.find(head => head.name === name)?.classes ?? [], predicted: new Map(own) }
}

async function judgeTarget(head: ModelHead, { images, champion, challenger, margin }: TargetGateInput): Promise<Judgement> {
  const { name } = head
  const isMultiLabel = kindOf(head) === 'multi-label'
  const own = rowsOfHead(images, name).map(({ key, label }) => ({ key, label: isMultiLabel ? sorted(label) : label }))
  const [before, after] = [champion, challenger].map(answers => answersTo(answers, name, isMultiLabel)) as [Answers, Answers]
  const numbers = kindOf(head) === 'regression' ? { score: numberScore(own), measure: 'score' } : {}
  return judge({ images: own, champion: before, challenger: after, margin, isMultiLabel, ...numbers })
}

/**
 * Whether a challenger of several targets may replace the champion: for each target that both have by the rule of one target, and only
 * where none is lost. Classes and labels by the share of images that are right, numbers by their score. Targets that only the challenger
 * has are left out.
 */
export async function judgeTargets(input: TargetGateInput): Promise<Judgement & Pick<Evaluation, 'targets'>> {
  const { images, champion, challenger } = input
  const result = { images: images.length, heldOutSha256: heldOutSha256(images) }
  const isSame = (head: ModelHead): boolean => challenger.heads.some(other => other.name === head.name && kindOf(other) === kindOf(head))
  const lost = champion.heads.filter(head => !isSame(head))
  if (champion.heads.length === 0 || lost.length > 0) {
    const reason =
      champion.heads.length === 0
        ? `version ${champion.version} has no several targets: they cannot be compared`
        : `it does not have ${lost.map(head => `${head.name} (${kindOf(head)})`).join(', ')}, which version ${champion.version} has`
    return { ...result, compared: 0, promoted: false, reason, numbers: {} }
  }
  const judged: { readonly name: string; readonly judgement: Judgement }[] = []
  for (const head of champion.heads) judged.push({ name: head.name, judgement: await judgeTarget(head, input) })
  const targets = judged.flatMap(({ name, judgement: { numbers, compared } }) => {
    const { champion: before, challenger: after, bootstrap } = numbers
    if (before === undefined || after === undefined || bootstrap === undefined) return []
    const { difference, lower } = bootstrap
    return [{ name, compared, champion: before.accuracy, challenger: after.accuracy, difference, lower }]
  })
  return {
    ...result,
    compared: Math.max(0, ...judged.map(({ judgement }) => judgement.compared)),
    promoted: judged.every(({ judgement }) => judgement.promoted),
    reason: judged.map(({ name, judgement }) => `${name}: ${judgement.reason}`).join('; '),
    numbers: {},
    targets,
  }
}
