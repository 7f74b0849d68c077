import { absolutePlace, exitCodes, LayermillError } from '@layermill/core'
import { type FeatureSet, type Metric, metrics, searchFeatures, type SearchResult } from '@layermill/orchestrator/features'
import { readFailures } from '@layermill/orchestrator/run'
import { withFeatures } from '../../features/open-features.js'
import { queryFeatures } from '../../features/query.js'
import { flagCount } from '@layermill/contracts'
import { sayFailures } from '../../output/failures.js'
import { formatCount, formatPlural } from '../../output/format.js'
import { similarReport } from './report.js'
import type { SimilarOptions } from './similar-options.js'
import { neighbourFile, neighbourRecord, neighbourTable } from '../../output/neighbours.js'
import type { Output } from '../../output/output.js'
import { stoppable } from '../../output/stoppable.js'
import { Progress } from '../../output/progress.js'
import { resultFormat, writeResultFile } from '@layermill/orchestrator/results'

function metricOf(text: string): Metric {
  const found = metrics.find(metric => metric === text)
  if (found === undefined)
    throw new LayermillError('SPEC_INVALID', `--metric: got ${JSON.stringify(text)}, expected ${metrics.join(' or ')}`)
  return found
}

/** Milliseconds that a search may take without a word. */
const quietMs = 2000

async function search(set: FeatureSet, query: Float32Array, metric: Metric, top: number, signal: AbortSignal): Promise<SearchResult> {
  const progress = new Progress({ stream: process.stderr, delay: quietMs })
  const total = set.record.counts.done
  const onProgress = (done: number): void => progress.update({ done, failed: 0, total: Math.max(total, done), planned: set.complete })
  try {
    return await searchFeatures(set, query, { metric, top, signal, onProgress })
  } finally {
    progress.finish()
  }
}

async function write(output: Output, { neighbours }: SearchResult, { json, out }: SimilarOptions): Promise<void> {
  if (out !== undefined) {
    await writeResultFile(absolutePlace(out, process.cwd()), neighbourFile(neighbours, resultFormat(out)))
    output.line(`${formatPlural(neighbours.length, 'image')}: ${out}`)
  } else if (json) {
    for (const [i, neighbour] of neighbours.entries()) output.json(neighbourRecord(neighbour, i + 1))
  } else {
    output.line(neighbourTable(neighbours))
  }
}

/** `layermill similar IMAGE`: the images of a run whose features are nearest to those of an image, by looking at all of them. */
export async function similarCommand(output: Output, image: string | undefined, options: SimilarOptions): Promise<number> {
  const metric = metricOf(options.metric)
  const top = flagCount('--top', options.top, 1, 100_000)
  if (options.out !== undefined) resultFormat(options.out)
  await stoppable(output, 'the part under way is read', signal =>
    withFeatures(output, absolutePlace(options.features, process.cwd()), options.layer, async set => {
      const found = await search(set, await queryFeatures(output, set, image, options), metric, top, signal)
      if (found.notFinite > 0)
        output.note(
          `warning: ${formatCount(found.notFinite)} images have features that are no finite numbers (NaN or infinite) and were left out`,
        )
      const { failed } = set.record.counts
      if (failed > 0)
        sayFailures(output, {
          failed,
          rows: await readFailures(set.store),
          where: `they have no features and are not found; all reasons are in ${set.store.url}/errors/`,
        })
      await write(output, found, options)
      if (options.report !== undefined) {
        const place = absolutePlace(options.report, process.cwd())
        await writeResultFile(place, await similarReport(set, image, found, options))
        output.note(`report: ${options.report}`)
      }
    }),
  )
  return exitCodes.done
}
