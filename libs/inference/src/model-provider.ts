import type { Engine, Extractor, Range } from '@layermill/engines'
import { getNetwork, type ModelTarget, type Network, networkIds, parameterCount, type Size2 } from '@layermill/models'
import type { WeightSet } from '@layermill/weights'
import { type Lease, LeaseCache } from './lease-cache.js'

/** A network with its weights and the names of its classes. */
export interface LoadedModel {
  readonly network: Network
  readonly weights: WeightSet
  readonly labels: readonly string[]
  /** Left out where its answers are one class of several. */
  readonly target?: ModelTarget | undefined
}

/** A network and the names of its classes without the numbers of its weights. */
export type ModelOutline = Omit<LoadedModel, 'weights'> & { readonly weights: Omit<WeightSet, 'tensors'> }

/** A model that was loaded. */
interface Held {
  readonly loaded: LoadedModel
  /** Bytes of its weights. */
  readonly bytes: number
  /** Somebody reads the tensors, for as long as they like. */
  pinned: boolean
  /** A session has taken the tensors' memory. */
  spent: boolean
}

export interface ModelProviderOptions {
  /** Opens the engine; called when the first network runs, and again after it broke down. */
  openEngine: () => Promise<Engine>
  /** Loads a network with its weights. */
  load: (model: string, weights: string) => Promise<LoadedModel>
  /** Told how batches of a network from a file are computed, for people. */
  note?: (text: string) => void
  /**
   * A session takes the memory of the weights that it is made of, unless `model` was asked for them: they are there once instead of twice.
   * They are loaded again for the next session that needs them. Default: false.
   */
  handOver?: boolean
  /** Sets of weights kept in memory at once. Default 2. */
  keepModels?: number
  /** Sessions kept at once. Default 3. */
  keepSessions?: number
  /** Bytes of weights that are kept for later, those that are loaded meanwhile counted. What is in use may be more. Default 560 MiB. */
  keepBytes?: number
}

/** Ranges that a session computes in int8 with. */
export interface SessionRanges {
  /** Of the calibration that they are from: sessions are kept by it. */
  readonly sha256: string
  readonly ranges: ReadonlyMap<string, Range>
  /** Layers that are computed in float32 all the same. */
  readonly exactLayers?: ReadonlySet<string>
}

const rangesOf = ({ ranges, exactLayers }: SessionRanges) => ({ ranges, ...(exactLayers === undefined ? {} : { exactLayers }) })

/** Precision of a session that does not compute in float32. */
export type SessionPrecision = SessionRanges | 'fp16'

/** Extractor and the bytes of its weights. */
interface KeptSession {
  readonly extractor: Extractor
  readonly bytes: number
}

/** Room for VGG19 alone, or for three ResNets: a session takes more than its weights. */
const defaultKeepBytes = 560 * 2 ** 20

/** Bytes of a network's weights in float32. */
const weightBytes = (network: Network): number => 4 * parameterCount(network)

const modelKey = (model: string, weights: string): string => JSON.stringify([model, weights])

/** Keeps the engine, weights and sessions between parts: they are costly to make. */
export class ModelProvider {
  private engine: Promise<Engine> | undefined
  private readonly models: LeaseCache<Held>
  /** Of models whose weights were handed over. */
  private readonly outlines = new LeaseCache<ModelOutline>(20, async () => undefined)
  private readonly sessions: LeaseCache<KeptSession>
  /** Bytes of weights by model, of those that were loaded before. */
  private readonly knownBytes = new Map<string, number>()

  constructor(private readonly options: ModelProviderOptions) {
    this.models = new LeaseCache<Held>(
      options.keepModels ?? 2,
      async () => undefined,
      ({ bytes }) => bytes,
    )
    this.sessions = new LeaseCache<KeptSession>(
      options.keepSessions ?? 3,
      ({ extractor }) => extractor.release(),
      ({ bytes }) => bytes,
    )
  }

  /** The engine in use. */
  openEngine(): Promise<Engine> {
    if (this.engine === undefined) {
      const opening = this.options.openEngine()
      this.engine = opening
      opening.catch(() => {
        if (this.engine === opening) this.engine = undefined
      })
    }
    return this.engine
  }

  /** A network with its weights, loaded once while it is kept. The weights are the caller's to read from then on. */
  async model(model: string, weights: string): Promise<LoadedModel> {
    return this.use(model, weights, held => {
      held.pinned = true
      return held.loaded
    })
  }

  /** A network without its weights: for callers that need no numbers, so that a session may take these. */
  async outline(model: string, weights: string): Promise<ModelOutline> {
    const lease = await this.outlines.lease(modelKey(model, weights), async () => {
      const { loaded } = await this.held(model, weights)
      const { tensors: _tensors, ...facts } = loaded.weights
      return { ...loaded, weights: facts }
    })
    lease.done()
    return lease.value
  }

  /** A model with its weights, unless a session has taken them just now. */
  private async held(model: string, weights: string): Promise<Held> {
    const key = modelKey(model, weights)
    const lease = await this.models.lease(key, async () => {
      await this.makeRoom(key, model)
      const loaded = await this.options.load(model, weights)
      const bytes = weightBytes(loaded.network)
      this.knownBytes.set(key, bytes)
      return { loaded, bytes, pinned: false, spent: false }
    })
    lease.done()
    return lease.value
  }

  /** Gives up what nobody uses before other weights are loaded: all of it where nothing says how large they are. */
  private async makeRoom(key: string, model: string): Promise<void> {
    const expected = this.knownBytes.get(key) ?? (networkIds.includes(model) ? weightBytes(getNetwork(model)) : Infinity)
    const kept = Math.max(0, (this.options.keepBytes ?? defaultKeepBytes) - expected)
    await this.sessions.shrinkTo(kept)
    await this.models.shrinkTo(Math.max(0, kept - this.sessions.bytes))
  }

  /** Makes use of a model whose weights are there: without waiting, as another session may take them at any time. */
  private async use<Result>(model: string, weights: string, how: (held: Held) => Result): Promise<Result> {
    for (;;) {
      const held = await this.held(model, weights)
      if (!held.spent) return how(held)
    }
  }

  /**
   * A session for these layers, made once while it is kept. `inputSize` left out: batches bring their own size. In float32 where no
   * `precision` is given.
   */
  async session(
    model: string,
    weights: string,
    layers: readonly string[],
    inputSize?: Size2,
    precision?: SessionPrecision,
  ): Promise<Lease<Extractor>> {
    const lease = await this.sessions.lease(
      JSON.stringify([model, weights, layers, inputSize ?? null, precision === 'fp16' ? precision : (precision?.sha256 ?? null)]),
      async () => {
        const [engine, { loaded, bytes, handOver }] = await Promise.all([
          this.openEngine(),
          this.use(model, weights, held => {
            const handOver = this.options.handOver === true && !held.pinned && held.loaded.network.graph === undefined
            if (handOver) {
              held.spent = true
              this.models.forget(modelKey(model, weights))
            }
            return { loaded: held.loaded, bytes: held.bytes, handOver }
          }),
        ])
        const computing = precision === 'fp16' ? { float16: true } : precision === undefined ? {} : rangesOf(precision)
        const extractor = await engine.extractor(loaded.network, loaded.weights.tensors, layers, {
          handOver,
          ...(inputSize === undefined ? {} : { inputSize }),
          onBatching: ({ kind, reason }) => {
            if (kind === 'single') this.options.note?.(`${loaded.network.id}: images are computed one at a time: ${reason ?? ''}`)
          },
          ...computing,
        })
        return { extractor, bytes }
      },
    )
    return { value: lease.value.extractor, done: () => lease.done() }
  }

  /** Forgets the engine and its sessions after it broke down: the next session opens a new one. */
  async reset(): Promise<void> {
    await this.sessions.clear().catch(() => undefined)
    const engine = this.engine
    this.engine = undefined
    await engine?.then(broken => broken.close()).catch(() => undefined)
  }

  /** Frees all sessions and ends the engine. */
  async close(): Promise<void> {
    await this.reset()
    await this.models.clear()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
