import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ExtractSpec, flagCount } from '@layermill/contracts'
import { type Advice, adviseLayers } from '@layermill/orchestrator/train'
import { writeResultFile } from '@layermill/orchestrator/results'
import { openStore } from '@layermill/storage'
import { absolutePlace, exitCodes } from '@layermill/core'
import { specFromFlags } from '../../flags.js'
import { sayFailures } from '../../output/failures.js'
import { formatBytes, formatCount, formatPlural, formatTable } from '../../output/format.js'
import type { Output } from '../../output/output.js'
import { stoppable } from '../../output/stoppable.js'
import { Progress } from '../../output/progress.js'
import { absolutePlaces } from '../../places.js'
import { type RegistryFlags, resolveRegistered } from '../../registry/registry.js'
import { withComposition } from '../../run/carry-out.js'
import { adviceHtml } from './report.js'

export interface AdviseCommandOptions extends RegistryFlags, Record<string, unknown> {
  sample: string
  report?: string
  json?: boolean
}

/** Fields of an extraction that a look at some layers has too. */
const fields = [
  'model',
  'weights',
  'layers',
  'size',
  'resample',
  'prepare',
  'autoOrient',
  'device',
  'engine',
  'maxErrors',
  'requestPayer',
  'signRequest',
] as const

function print(output: Output, { images, classes, layers, suggested }: Advice): void {
  const rows = layers.map(({ layer, shape, dimensions, bytesPerImage, accuracy, standardError }) => [
    layer === suggested ? `${layer} *` : layer,
    shape.join('x'),
    formatCount(dimensions),
    formatBytes(bytesPerImage),
    `${(accuracy * 100).toFixed(1)}% ± ${(standardError * 100).toFixed(1)}`,
  ])
  output.line(formatTable(['layer', 'shape', '>pooled', '>bytes/image', '>accuracy'], rows))
  output.line(
    `\na linear classifier on averaged maps, each of ${formatPlural(images, 'image')} of ${formatPlural(classes, 'class', 'classes')} judged by the others`,
  )
  output.line(`* the smallest that is as good as the best, as far as this sample tells: --layer ${suggested}`)
}

/** `layermill advise SOURCE --model M`: which layer to cut at, by a linear classifier on each of some layers of a sample. */
export async function adviseCommand(output: Output, source: string | undefined, options: AdviseCommandOptions): Promise<number> {
  const sample = flagCount('--sample', options.sample, 4, 1000)
  const folder = await mkdtemp(join(tmpdir(), 'layermill-advise-'))
  const given = Object.fromEntries(fields.filter(field => options[field] !== undefined).map(field => [field, options[field]]))
  const asked = absolutePlaces((await specFromFlags('extract', source, { ...given, out: folder })) as ExtractSpec, process.cwd())
  const spec = await resolveRegistered(asked, { registry: options.registry })
  const progress = new Progress({ stream: process.stderr })
  const store = openStore(folder)
  try {
    const advice = await withComposition(
      output,
      spec,
      async () => ({}),
      ({ training: environment }) =>
        stoppable(output, 'the batches under way are finished', signal =>
          adviseLayers({
            environment,
            spec,
            sample,
            store,
            signal,
            onProgress: (done, total) => progress.update({ done, failed: 0, total, planned: true }),
          }),
        ),
    )
    progress.finish()
    sayFailures(output, { failed: advice.failed.length, rows: advice.failed, where: '--json lists all of them' })
    if (options.json === true) output.json(advice)
    else print(output, advice)
    if (options.report !== undefined) {
      const facts = (['model', 'weights', 'source'] as const).map(name => [name, spec[name]] as const)
      await writeResultFile(absolutePlace(options.report, process.cwd()), adviceHtml(advice, facts))
      output.note(`report: ${options.report}`)
    }
    return exitCodes.done
  } finally {
    progress.finish()
    await store.close()
    await rm(folder, { recursive: true, force: true })
  }
}
