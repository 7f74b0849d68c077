import { type CrossValidated, crossValidate, matrix } from '@layermill/analysis'
import { flagCount } from '@layermill/contracts'
import { exitCodes, interruptible, LayermillError } from '@layermill/core'
import { type AuditSource, auditedImages } from '../../audit/images.js'
import { StepProgress } from '../../compare/step-progress.js'
import { formatCount, formatPlural, formatTable } from '../../output/format.js'
import type { Output } from '../../output/output.js'

export interface ProbeCommandOptions extends AuditSource {
  readonly c: string
  readonly folds: string
  readonly repeats: string
  readonly raw?: boolean
  readonly seed: string
  readonly json?: boolean
}

function strengths(text: string): number[] {
  const found = text.split(',').map(item => Number(item.trim() || NaN))
  if (found.length <= 100 && found.every(c => c > 0 && Number.isFinite(c))) return found
  throw new LayermillError(
    'SPEC_INVALID',
    `--c: got ${JSON.stringify(text.slice(0, 80))}, expected numbers above 0, at most 100, as 0.1,1,10`,
  )
}

const percent = (share: number): string => `${(share * 100).toFixed(1)}%`

function print(output: Output, found: readonly CrossValidated[], images: number, classes: number): void {
  const rows = found.map(({ c, accuracy, lower, upper, logLoss }) => [
    String(c),
    percent(accuracy),
    `${percent(lower)} to ${percent(upper)}`,
    logLoss.toFixed(4),
  ])
  output.line(formatTable(['>C', '>accuracy', '>95% interval', '>log loss'], rows))
  const best = found.reduce((a, b) => (b.logLoss < a.logLoss ? b : a))
  output.line(
    `\n${formatPlural(images, 'image')} of ${formatCount(classes)} classes; the smallest loss of images left out is at C ${best.c}`,
  )
}

/** `layermill probe --features RUN`: how well a linear classifier tells the classes of a run's images apart. */
export async function probeCommand(output: Output, source: string | undefined, options: ProbeCommandOptions): Promise<number> {
  const cs = strengths(options.c)
  const folds = flagCount('--folds', options.folds, 3, 1000)
  const repeats = flagCount('--repeats', options.repeats, 1, 1000)
  const progress = new StepProgress(process.stderr)
  try {
    await interruptible(async signal => {
      await using opened = await auditedImages(output, options, source)
      const { images, layer } = opened
      const known = Array.from(images.labels.keys()).filter(row => images.labels[row] !== undefined)
      const classes = [...new Set(known.map(row => images.labels[row]!))].sort()
      if (classes.length < 2 || known.length < folds) {
        throw new LayermillError(
          'CLASS_TOO_FEW',
          `${options.features} has ${known.length} labelled images of ${classes.length} classes, expected two classes and ${folds} images`,
        )
      }
      const x = matrix(known.length, images.source.columns)
      for (const [i, row] of known.entries()) x.data.set(await images.source.read(row, row + 1), i * x.columns)
      const places = new Map(classes.map((name, i) => [name, i]))
      const labels = Uint32Array.from(known, row => places.get(images.labels[row]!)!)
      const found = await crossValidate(x, labels, classes.length, {
        cs,
        folds,
        repeats,
        seed: options.seed,
        standardize: options.raw !== true,
        signal,
        onFit: (done, total) => progress.update('fits', done, total),
      })
      progress.finish()
      if (options.json) output.json({ layer, images: known.length, classes: classes.length, folds, repeats, results: found })
      else print(output, found, known.length, classes.length)
    })
  } finally {
    progress.finish()
  }
  return exitCodes.done
}
