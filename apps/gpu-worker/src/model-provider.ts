import type { Engine, Extractor } from '@layermill/engines'
import type { Network, Size2, TensorMap } from '@layermill/models'

/** A network with its weights and the names of its classes. */
export interface LoadedModel {
  readonly network: Network
  readonly weights: { readonly tensors: TensorMap; readonly sha256: string; readonly source: string }
  readonly labels: readonly string[]
}

export interface ModelProviderOptions {
  /** Opens the engine; called once, when the first model runs. */
  openEngine: () => Promise<Engine>
  /** Loads a network with its weights; called once for each pair while it is kept. */
  load: (model: string, weights: string) => Promise<LoadedModel>
  /** Networks kept in memory at once, sessions and weights; the one used longest ago goes first. Default 3. */
  keep?: number
}

interface Entry {
  model: Promise<LoadedModel>
  extractors: Map<string, Promise<Extractor>>
}

/** Keeps the engine, networks and sessions between parts: weights and sessions are costly to make. */
export class ModelProvider {
  private engine: Promise<Engine> | undefined
  /** In order of use, the latest last. */
  private readonly entries = new Map<string, Entry>()
  private readonly keep: number

  constructor(private readonly options: ModelProviderOptions) {
    this.keep = options.keep ?? 3
  }

  /** The engine in use. */
  openEngine(): Promise<Engine> {
    this.engine ??= this.options.openEngine()
    return this.engine
  }

  /** A network with its weights, loaded once. */
  model(model: string, weights: string): Promise<LoadedModel> {
    return this.entry(model, weights).model
  }

  /** A session for these layers, made once. `inputSize` left out: batches bring their own size. */
  extractor(model: string, weights: string, layers: readonly string[], inputSize?: Size2): Promise<Extractor> {
    const { extractors, model: loading } = this.entry(model, weights)
    const key = JSON.stringify([layers, inputSize ?? null])
    let extractor = extractors.get(key)
    if (extractor === undefined) {
      extractor = this.createExtractor(loading, layers, inputSize)
      extractors.set(key, extractor)
      // A failed attempt is not kept: the next part tries again.
      extractor.catch(() => extractors.delete(key))
    }
    return extractor
  }

  /** Frees all sessions and ends the engine. */
  async close(): Promise<void> {
    for (const key of [...this.entries.keys()]) await this.drop(key)
    const engine = this.engine
    this.engine = undefined
    if (engine !== undefined) await engine.then(open => open.close(), () => undefined)
  }

  private entry(model: string, weights: string): Entry {
    const key = JSON.stringify([model, weights])
    const known = this.entries.get(key)
    this.entries.delete(key)
    const entry = known ?? { model: this.options.load(model, weights), extractors: new Map<string, Promise<Extractor>>() }
    if (known === undefined) entry.model.catch(() => this.entries.delete(key))
    this.entries.set(key, entry)
    for (const old of [...this.entries.keys()].slice(0, -this.keep)) void this.drop(old)
    return entry
  }

  private async createExtractor(loading: Promise<LoadedModel>, layers: readonly string[], inputSize?: Size2): Promise<Extractor> {
    const [engine, { network, weights }] = await Promise.all([this.openEngine(), loading])
    return engine.extractor(network, weights.tensors, layers, inputSize === undefined ? {} : { inputSize })
  }

  private async drop(key: string): Promise<void> {
    const entry = this.entries.get(key)
    this.entries.delete(key)
    if (entry === undefined) return
    for (const extractor of entry.extractors.values()) await extractor.then(session => session.release(), () => undefined)
  }
}
