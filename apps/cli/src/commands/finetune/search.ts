import { foldInterval } from '@layermill/analysis'
import { type FinetuneSpec, isFrozen } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { MetricsLine } from '@layermill/orchestrator/train'
import type { Store } from '@layermill/storage'
import { formatTable } from '../../output/format.js'
import type { Output } from '../../output/output.js'

/** Settings of one trial. */
export type TrialSettings = Pick<FinetuneSpec, 'learningRate' | 'weightDecay' | 'head'>

/** A trial that is done: its settings, and the held-out loss of each part. */
export interface Trial {
  readonly settings: TrialSettings
  readonly losses: readonly number[]
  /** Of the held-out images of each part, where images have classes. */
  readonly accuracies: readonly number[]
  /** Mean loss and its 95% interval. */
  readonly loss: { readonly mean: number; readonly lower: number; readonly upper: number }
}

/** A search that is asked for. */
export interface Search {
  readonly text: string
  /** Parts of the training images. */
  readonly folds: number
}

const most = 200
const form = 'learning-rate=0.001,0.01 weight-decay=0,0.0001 head=none,256,512x256, at most 200 trials'

const refuse = (text: string): LayermillError =>
  new LayermillError('SPEC_INVALID', `--search: got ${JSON.stringify(text.slice(0, 200))}, expected values to try, as ${form}`)

function numbersOf(texts: readonly string[], from: number, to: number, text: string): number[] {
  const numbers = texts.map(value => (/^\d*\.?\d+(?:e[-+]?\d+)?$/i.test(value) ? Number(value) : Number.NaN))
  if (numbers.every(value => value >= from && value <= to)) return numbers
  throw refuse(text)
}

const headOf = (value: string, text: string): number[] =>
  value === 'none' ? [] : numbersOf(value.split('x'), 1, 65_536, text).map(size => Math.trunc(size))

/**
 * All combinations of the values that a text names; settings that it does not name are the spec's.
 * @throws LayermillError `SPEC_INVALID`
 */
export function trialsOf(text: string, own: TrialSettings): TrialSettings[] {
  const parts = text.split(/[\s;]+/).filter(part => part !== '')
  const given = new Map(
    parts.map(part => {
      const [name = '', values = '', ...more] = part.split('=')
      if (more.length > 0 || values === '' || !['learning-rate', 'weight-decay', 'head'].includes(name)) throw refuse(text)
      return [name, values.split(',')] as const
    }),
  )
  if (given.size === 0 || given.size < parts.length) throw refuse(text)
  const rates = given.get('learning-rate')
  const decays = given.get('weight-decay')
  const heads = given.get('head')?.map(value => headOf(value, text)) ?? [own.head]
  if (heads.some(head => head.length > 2)) throw refuse(text)
  const learningRates = rates === undefined ? [own.learningRate] : numbersOf(rates, Number.MIN_VALUE, 1e6, text)
  const weightDecays = decays === undefined ? [own.weightDecay] : numbersOf(decays, 0, 1, text)
  const trials = heads.flatMap(head =>
    learningRates.flatMap(learningRate => weightDecays.map(weightDecay => ({ learningRate, weightDecay, head }))),
  )
  if (trials.length > most) throw refuse(text)
  return trials
}

/** Settings in words. */
const settingsText = ({ learningRate, weightDecay, head }: TrialSettings): readonly [string, string, string] => [
  String(learningRate),
  String(weightDecay),
  head.length === 0 ? 'none' : head.join('x'),
]

const numbered = (trial: number): string => String(trial + 1).padStart(3, '0')

/** The spec of one part of a trial: a run of its own below the model's place. */
function specOf(spec: FinetuneSpec, settings: TrialSettings, place: string, { fold, of }: { fold: number; of: number }): FinetuneSpec {
  const { register: _register, ...rest } = spec
  const below = `${spec.out.replace(/\/+$/, '')}/search`
  // The base's features are computed once for all trials.
  return {
    ...rest,
    ...settings,
    fold: { fold, of },
    export: [],
    cache: spec.cache ?? `${below}/cache`,
    out: `${below}/${place}/part-${fold}`,
  }
}

async function readJson(store: Store, key: string): Promise<unknown> {
  const bytes = await store.get(key)
  if (bytes === undefined) return undefined
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as unknown
  } catch {
    // A record that cannot be read is made anew.
    return undefined
  }
}

/** A record of the search's folder, where it is of the same question. */
async function known<Value>(store: Store, key: string, asked: string): Promise<Value | undefined> {
  const found = (await readJson(store, key)) as { asked?: string; value?: Value } | undefined
  return found?.asked === asked ? found.value : undefined
}

const record = (asked: string, value: unknown): string => `${JSON.stringify({ asked, value }, undefined, 2)}\n`

function trialFrom(settings: TrialSettings, lines: readonly MetricsLine[], folds: number): Trial {
  const held = lines.map(({ validation }) => validation!)
  const losses = held.map(({ loss }) => loss)
  const accuracies = held.flatMap(({ accuracy }) => (accuracy === undefined ? [] : [accuracy]))
  return { settings, losses, accuracies, loss: foldInterval(losses, folds) }
}

function say(output: Output, trials: readonly Trial[], json: boolean): void {
  if (json) return output.json({ event: 'search', trials })
  const rows = trials.map(({ settings, loss, accuracies }) => {
    const accuracy =
      accuracies.length === 0 ? '' : `${((100 * accuracies.reduce((sum, value) => sum + value, 0)) / accuracies.length).toFixed(1)}%`
    return [...settingsText(settings), loss.mean.toFixed(4), `${loss.lower.toFixed(4)} to ${loss.upper.toFixed(4)}`, accuracy]
  })
  output.line(formatTable(['>learning rate', '>weight decay', 'head', '>loss', '>95% interval', '>accuracy'], rows))
}

/**
 * Chooses settings by cross-validation on the training images: each trial is trained on all parts but one, and judged by the loss of that
 * one. Trials that are done are kept below the model's place (`search/trial-001.json`), so that a search that was ended goes on.
 *
 * @param train carries a run out, or goes on with one, and gives its epochs
 * @returns the spec with the settings of the smallest mean loss, the first of equals
 * @throws LayermillError `SPEC_INVALID`; as the runs do
 */
export async function searchSettings(
  output: Output,
  spec: FinetuneSpec,
  search: Search,
  { store, train, json }: { store: Store; train: (spec: FinetuneSpec) => Promise<readonly MetricsLine[]>; json: boolean },
): Promise<FinetuneSpec> {
  if (!isFrozen(spec.base) || spec.batchNorm !== 'frozen')
    throw new LayermillError('SPEC_INVALID', '--search: expected a frozen base: heads are tried on its stored features')
  if (spec.fold !== undefined)
    throw new LayermillError('SPEC_INVALID', '--search: expected no --fold with it: it holds out each part in turn')
  const settings = trialsOf(search.text, spec)
  const { out: _out, notify: _notify, register: _register, overwrite: _overwrite, ...decisive } = spec
  const asked = JSON.stringify([decisive, search])
  let trials = await known<Trial[]>(store, 'search/search.json', asked)
  if (trials === undefined) {
    trials = []
    for (const [i, each] of settings.entries()) {
      const name = `trial-${numbered(i)}`
      let trial = await known<Trial>(store, `search/${name}.json`, asked)
      if (trial === undefined) {
        output.note(
          `trial ${i + 1} of ${settings.length}: learning rate ${each.learningRate}, weight decay ${each.weightDecay}, head ${settingsText(each)[2]}`,
        )
        const best: MetricsLine[] = []
        for (let fold = 1; fold <= search.folds; fold++) {
          const lines = await train(specOf(spec, each, name, { fold, of: search.folds }))
          best.push(lines.findLast(line => line.best) ?? lines.at(-1)!)
        }
        trial = trialFrom(each, best, search.folds)
        await store.put(`search/${name}.json`, record(asked, trial))
      }
      trials.push(trial)
    }
    await store.put('search/search.json', record(asked, trials))
  }
  say(output, trials, json)
  const chosen = trials.reduce((a, b) => (b.loss.mean < a.loss.mean ? b : a)).settings
  const [rate, decay, head] = settingsText(chosen)
  output.note(`chosen by the held-out loss of ${search.folds} parts: learning rate ${rate}, weight decay ${decay}, head ${head}`)
  return { ...spec, ...chosen }
}
