import { type Dissimilarity, dissimilarities } from '@layermill/analysis'
import { compareMeasures as allMeasures, flagBytes, flagCount } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { Measure } from '../../compare/measures.js'

/** Flags of `layermill compare`, as they were typed. */
export interface CompareCommandOptions {
  readonly layers?: string
  readonly measures?: string
  readonly rdm: string
  readonly minibatch?: string
  readonly partial?: string
  readonly targets?: string
  readonly folds: string
  readonly penalties?: string
  readonly permutations: string
  readonly bootstrap: string
  readonly seed: string
  readonly memory?: string
  readonly out?: string
  readonly writeRdm?: string
  readonly json?: boolean
  readonly queue?: string
  readonly server?: string
  readonly tokenFile?: string
  /** Share of a comparison that several processes work at: what it finds is in its journal alone. Not a flag. */
  readonly block?: ComparisonBlock | undefined
  /** Texts of the places, where sets are named by others than these. Not a flag. */
  readonly written?: readonly string[] | undefined
}

/** One of the blocks that a comparison's pairs fall into. */
export interface ComparisonBlock {
  readonly place: number
  readonly count: number
  /** Whether a command elsewhere has begun the comparison and will put it together. */
  readonly isForAnother: boolean
}

/** The error of a flag with a value that is none of some. */
export const refuse = (flag: string, got: string, choices: readonly string[]): LayermillError =>
  new LayermillError('SPEC_INVALID', `${flag}: got ${JSON.stringify(got)}, expected ${choices.join(', ')}`)

function dissimilarityOf(text: string): Dissimilarity {
  const found = dissimilarities.find(kind => kind === text)
  if (found === undefined) throw refuse('--rdm', text, dissimilarities)
  return found
}

function measuresOf(text: string | undefined): ReadonlySet<Measure> | undefined {
  return text === undefined
    ? undefined
    : new Set(
        text.split(',').map(part => {
          const found = allMeasures.find(measure => measure === part.trim())
          if (found === undefined) throw refuse('--measures', part, allMeasures)
          return found
        }),
      )
}

/** How dissimilarities are written. */
export type RdmForm = 'condensed' | 'square'

/** @throws LayermillError `SPEC_INVALID` */
export function formOf(text: string | undefined): RdmForm | undefined {
  if (text === undefined || text === 'condensed' || text === 'square') return text
  throw refuse('--write-rdm', text, ['condensed', 'square'])
}

function penaltiesOf(text: string | undefined): readonly number[] | undefined {
  return text?.split(',').map(part => {
    const value = Number(part)
    if (part.trim() !== '' && value > 0 && Number.isFinite(value)) return value
    throw new LayermillError('SPEC_INVALID', `--penalties: got ${JSON.stringify(part)}, expected numbers above 0 with commas`)
  })
}

/** The options, checked before anything is read. */
export function settingsOf(options: CompareCommandOptions) {
  const form = formOf(options.writeRdm)
  if (form !== undefined && options.out === undefined && options.server === undefined) {
    throw new LayermillError('SPEC_INVALID', '--write-rdm: expected --out, the folder to write to')
  }
  return {
    rdm: dissimilarityOf(options.rdm),
    measures: measuresOf(options.measures),
    minibatch: options.minibatch === undefined ? undefined : flagCount('--minibatch', options.minibatch, 4, 1_000_000),
    permutations: flagCount('--permutations', options.permutations, 0, 1_000_000),
    bootstrap: flagCount('--bootstrap', options.bootstrap, 0, 1_000_000),
    memoryBytes: options.memory === undefined ? undefined : flagBytes('--memory', options.memory),
    seed: options.seed,
    folds: flagCount('--folds', options.folds, 2, 1000),
    penalties: penaltiesOf(options.penalties),
    form,
  }
}
