import { absolutePlace, exitCodes, LayermillError } from '@layermill/core'
import { describeFeatures, type FeatureDescription, type FeatureSet } from '@layermill/orchestrator/features'
import { exportLanceDb } from '../../features/export-lancedb.js'
import type { Exported, ExportOptions } from '../../features/export-options.js'
import { exportCsv, exportParquet } from '../../features/export-file.js'
import { withFeatures } from '../../features/open-features.js'
import { formatCount } from '../../output/format.js'
import type { Output } from '../../output/output.js'
import { stoppable } from '../../output/stoppable.js'
import { Progress } from '../../output/progress.js'

export interface ExportCommandOptions {
  readonly to: string
  readonly out: string
  readonly layer?: string
  readonly table?: string
  readonly overwrite?: boolean
  readonly json?: boolean
}

/** Numbers that a vector may have: readers of tables hold whole rows of them. */
const mostDimensions = 2 ** 20

type Write = (options: ExportOptions) => Promise<Exported>

function writerOf({ to, table }: ExportCommandOptions): Write {
  if (to === 'lancedb') return options => exportLanceDb(options, table)
  if (to !== 'parquet' && to !== 'csv')
    throw new LayermillError('SPEC_INVALID', `--to: got ${JSON.stringify(to)}, expected parquet, csv or lancedb`)
  if (table !== undefined) throw new LayermillError('SPEC_INVALID', '--table: expected --to lancedb with it')
  return to === 'csv' ? exportCsv : exportParquet
}

function checkDimensions({ dimensions, layer }: FeatureSet): void {
  if (dimensions <= mostDimensions) return
  throw new LayermillError(
    'SPEC_INVALID',
    `--layer: ${layer.name} has ${formatCount(dimensions)} numbers an image (${layer.shape.join('x')}), a table takes up to ${formatCount(mostDimensions)}`,
    {
      hint: 'extract the layer with --pool avg',
    },
  )
}

function summary({ images }: FeatureDescription, { before, place }: Exported, dimensions: number): string {
  const there = before === 0 ? '' : before === images ? ' (all were there)' : ` (${formatCount(before)} were there)`
  return `${formatCount(images)} images, vectors of ${formatCount(dimensions)} numbers${there}: ${place}`
}

/** `layermill export FEATURES`: a layer's features as one table, for other programs. */
export async function exportCommand(output: Output, features: string, options: ExportCommandOptions): Promise<number> {
  const write = writerOf(options)
  const cwd = process.cwd()
  await stoppable(output, 'the part under way is written', signal =>
    withFeatures(output, absolutePlace(features, cwd), options.layer, async set => {
      checkDimensions(set)
      const description = await describeFeatures(set)
      const progress = new Progress({ stream: process.stderr, delay: 2000 })
      const onProgress = (done: number): void => progress.update({ done, failed: 0, total: description.images, planned: true })
      const done = await write({
        set,
        description,
        out: absolutePlace(options.out, cwd),
        overwrite: options.overwrite === true,
        signal,
        onProgress,
      }).finally(() => progress.finish())
      if (options.json) output.json({ event: 'done', out: options.out, ...description, before: done.before })
      else output.line(summary(description, done, set.dimensions))
    }),
  )
  return exitCodes.done
}
