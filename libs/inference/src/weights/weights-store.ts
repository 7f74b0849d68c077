import { mkdir, readdir, readFile, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { LayermillError, layermillHome, withLock } from '@layermill/core'
import type { Network } from '@layermill/models'
import { isOnnxNetwork } from '@layermill/onnx'
import { fetchObject } from '../fetch-object.js'
import { obtainGraph, publishGraph } from '../onnx/fleet-graph.js'
import { loadWeights, type WeightSet, writeWeightsSafetensors } from '@layermill/weights'
import { openStore, type Store } from '@layermill/storage'

export interface FleetWeightsOptions {
  /** Store of the fleet's weights, under `weights/`. */
  readonly store: Store
  /** Bytes that may be kept on this machine's disk. */
  readonly limit: number
  /** Folder on this machine's disk. Default: `$LAYERMILL_HOME/fleet-weights`. */
  readonly folder?: string
  readonly note?: (text: string) => void
}

const objectKey = (sha256: string): string => `weights/${sha256}.safetensors`

/** Weights under their hash in a store of the fleet's, so that they are fetched and converted once and not by every worker. */
export class FleetWeights {
  private readonly folder: string

  constructor(private readonly options: FleetWeightsOptions) {
    this.folder = options.folder ?? join(layermillHome(), 'fleet-weights')
  }

  get store(): Store {
    return this.options.store
  }

  /** Puts weights into the store unless they are there. Random ones are made where they are needed, which is faster. */
  async publish(network: Network, weights: WeightSet): Promise<void> {
    const { store, note } = this.options
    if (isOnnxNetwork(network)) return publishGraph(store, network.graph.model, weights.sha256)
    const key = objectKey(weights.sha256)
    if (weights.format === 'random' || (await store.stat(key)) !== undefined) return
    note?.(`weights of ${network.id}: putting them into ${store.url}/${key}`)
    await this.locked(weights.sha256, async path => {
      if (!(await isFile(path))) await writeWeightsSafetensors(path, network, weights)
      await store.put(key, await readFile(path), { ifAbsent: true })
    })
    await this.shrink(weights.sha256)
  }

  /**
   * The weights with this hash, from this machine's disk or the store; undefined where the store has none.
   * @throws LayermillError `WEIGHTS_HASH` where the file is another than its name says; it is fetched again the next time.
   */
  async obtain(model: string, sha256: string): Promise<WeightSet | undefined> {
    const weights = await this.locked(sha256, async path => {
      if (!(await isFile(path)) && !(await this.fetch(sha256, path))) return undefined
      const now = new Date()
      // Weights that were used last are dropped last.
      await utimes(path, now, now)
      const loaded = await loadWeights(model, path)
      if (loaded.sha256 === sha256) return loaded
      await rm(path, { force: true })
      throw new LayermillError('WEIGHTS_HASH', `${this.options.store.url}/${objectKey(sha256)} holds the weights ${loaded.sha256}`, {
        hint: 'delete the object: it is written again when the next run starts',
      })
    })
    await this.shrink(sha256)
    return weights
  }

  /** The path of the ONNX file with this hash, from this machine's disk or the store; undefined where the store has none. */
  obtainGraph(sha256: string): Promise<string | undefined> {
    return obtainGraph(this.options.store, this.folder, sha256)
  }

  /** Streams the object to a file, which is there whole or not at all. */
  private async fetch(sha256: string, path: string): Promise<boolean> {
    const { store, note } = this.options
    const key = objectKey(sha256)
    const entry = await store.stat(key)
    if (entry === undefined) return false
    note?.(`weights ${sha256.slice(0, 12)}: fetching ${Math.ceil(entry.bytes / 1e6)} MB from ${store.url}`)
    return fetchObject(store, key, path, entry.bytes)
  }

  /** One process of this machine at a time for one file. */
  private async locked<Result>(sha256: string, action: (path: string) => Promise<Result>): Promise<Result> {
    await mkdir(this.folder, { recursive: true })
    return withLock(join(this.folder, `.${sha256}.lock`), {}, () => action(join(this.folder, `${sha256}.safetensors`)))
  }

  /** Drops what was used longest ago until the rest fits; never the weights in use. */
  private async shrink(inUse: string): Promise<void> {
    const names = (await readdir(this.folder)).filter(name => name.endsWith('.safetensors'))
    const files = await Promise.all(
      names.map(async name => {
        const path = join(this.folder, name)
        const stats = await stat(path).catch(() => undefined)
        return { path, size: stats?.size ?? 0, used: stats?.mtimeMs ?? 0, keep: name === `${inUse}.safetensors` }
      }),
    )
    let total = files.reduce((sum, { size }) => sum + size, 0)
    for (const { path, size, keep } of files.toSorted((a, b) => a.used - b.used)) {
      if (total <= this.options.limit) return
      if (keep) continue
      await rm(path, { force: true })
      total -= size
    }
  }
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() === true
}

/** Bytes of weights that an orchestrator keeps on its disk: it only passes them on. */
const orchestratorCache = 4e9

/** The fleet's weights at the URL that `--weights-store` gives, if it does. */
export function fleetWeights(
  url: string | undefined,
  note: (text: string) => void,
  limit: number = orchestratorCache,
): FleetWeights | undefined {
  return url === undefined ? undefined : new FleetWeights({ store: openStore(url), limit, note })
}
