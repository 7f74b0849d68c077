import {
  imageLimits,
  parseModelReference,
  requireRegistry,
  type RunService,
  type TryQuery,
  type TryResult,
  type TryService,
} from '@layermill/contracts'
import { classify as classOf, errorMessage, LayermillError } from '@layermill/core'
import { classifyImage, computeRunFeatures, explainPicture, type HeadAnswer, type ModelProvider } from '@layermill/inference'
import { openFeatureSet } from '../features/feature-set.js'
import { searchFeatures } from '../features/search.js'
import type { ModelRegistry } from '../registry/registry.js'
import { Limit } from './limit.js'
import { type OpenedFiles, RunFiles, type RunFilesEnvironment } from './run-files.js'

export interface TryOptions {
  readonly registry: ModelRegistry | undefined
  readonly openProvider: () => ModelProvider
  /** Milliseconds for which engine and model are kept after a try. */
  readonly keepMs?: number
}

/** Milliseconds that looking at all features of a run may take. */
const searchMs = 60_000

/**
 * Tries of single pictures in this process, one at a time. Engine and model are freed when nobody has tried anything for a minute: an
 * orchestrator has little memory to spare.
 */
export class PictureTries implements TryService {
  private readonly files: RunFiles
  private readonly turn = new Limit(1)
  private provider: ModelProvider | undefined
  private timer: NodeJS.Timeout | undefined

  constructor(
    runs: Pick<RunService, 'get'>,
    environment: RunFilesEnvironment,
    private readonly options: TryOptions,
  ) {
    this.files = new RunFiles(runs, environment)
  }

  async model(name: string, version: number | 'latest', query: TryQuery): Promise<TryResult> {
    const { registry } = this.options
    const reference = parseModelReference(`${name}@${version}`)
    const url = registry === undefined || reference === undefined ? requireRegistry(undefined) : await registry.resolve(reference)
    return this.timed(provider => classify(provider, { model: url, weights: 'imagenet' }, query))
  }

  async run(id: string, query: TryQuery & { readonly layer?: string | undefined }): Promise<TryResult> {
    return this.timed(provider =>
      this.files.use(id, async opened => {
        const { spec, store, run } = opened
        if (spec.kind === 'extract') return near(provider, opened, query)
        if (spec.kind === 'predict') return classify(provider, spec, query)
        if (run.state !== 'done') throw new LayermillError('NOT_RECORDED', `The run ${id} has written no model yet`)
        return classify(provider, { model: store.url, weights: 'imagenet' }, query)
      }),
    )
  }

  /** Frees engine and model. */
  async close(): Promise<void> {
    clearTimeout(this.timer)
    await this.turn.run(async () => this.free())
  }

  private async timed(action: (provider: ModelProvider) => Promise<Omit<TryResult, 'seconds'>>): Promise<TryResult> {
    return this.turn.run(async () => {
      clearTimeout(this.timer)
      const began = performance.now()
      try {
        this.provider ??= this.options.openProvider()
        return { ...(await action(this.provider)), seconds: (performance.now() - began) / 1000 }
      } catch (error) {
        // Faults of an image are a run's matter elsewhere; here the image is the request.
        if (classOf(error).scope === 'image') throw new LayermillError('PICTURE_INVALID', errorMessage(error), { cause: error })
        throw error
      } finally {
        this.timer = setTimeout(() => void this.turn.run(async () => this.free()), this.options.keepMs ?? 60_000).unref()
      }
    })
  }

  private async free(): Promise<void> {
    const { provider } = this
    this.provider = undefined
    await provider?.close()
  }
}

interface Place {
  readonly model: string
  readonly weights: string
  readonly prepare?: Parameters<typeof classifyImage>[0]['prepare']
  readonly imageTimeout?: number | undefined
}

const scoresOf = (classes: HeadAnswer['classes']): { label: string; probability: number }[] =>
  classes.map(({ label, probability }) => ({ label, probability }))

const tryHead = (name: string, { classes, labels, values }: HeadAnswer): NonNullable<TryResult['heads']>[number] => ({
  name,
  classes: scoresOf(classes),
  ...(labels === undefined ? {} : { labels: [...labels] }),
  ...(values === undefined ? {} : { values: [...values] }),
})

async function classify(provider: ModelProvider, place: Place, { image, top, explain }: TryQuery): Promise<Omit<TryResult, 'seconds'>> {
  const { model, weights, prepare } = place
  const { timeoutMs } = imageLimits(place)
  const { network, classes, heads } = await classifyImage({ provider, model, weights, prepare, bytes: image, top, timeoutMs })
  const scores = scoresOf(classes)
  if (heads !== undefined && explain === true)
    throw new LayermillError(
      'PARAMETER_INVALID',
      'query parameter explain: got true, expected false: a model with several targets has no likeliest class',
    )
  if (heads !== undefined) return { network, heads: Object.entries(heads).map(([name, answer]) => tryHead(name, answer)) }
  if (explain !== true) return { network, classes: scores }
  const { label, layer, overlay } = await explainPicture({ provider, model, weights, prepare, bytes: image, timeoutMs })
  const why = { label, layer, ...(overlay === undefined ? {} : { overlay: Buffer.from(overlay).toString('base64') }) }
  return { network, classes: scores, why }
}

/** The run's images nearest to a picture, whose features are computed as the run computed its own. */
async function near(
  provider: ModelProvider,
  { store }: OpenedFiles,
  { image, top, layer, explain }: TryQuery & { readonly layer?: string | undefined },
): Promise<Omit<TryResult, 'seconds'>> {
  if (explain === true)
    throw new LayermillError(
      'PARAMETER_INVALID',
      'query parameter explain: got true, expected it on a model: an extraction names no classes',
    )
  const set = await openFeatureSet(store, layer)
  const { record } = set
  const vector = await computeRunFeatures({ provider, record, store, layer: set.layer.name, bytes: image, key: 'picture' })
  const found = await searchFeatures(set, vector, { metric: 'cosine', top, signal: AbortSignal.timeout(searchMs) })
  return {
    network: record.identity.model,
    layer: set.layer.name,
    neighbours: found.neighbours.map(({ part, key, label, distance }) => ({
      part,
      key,
      ...(label === undefined ? {} : { label }),
      similarity: 1 - distance,
    })),
  }
}
