import { errorMessage } from '@layermill/core'
import type { FeatureDtype } from '../features/types.js'
import type { Store } from '../store.js'
import { CacheRoom } from './cache-room.js'
import { type Block, type CacheAccess, ComputationCache } from './computation-cache.js'
import { RecentBlocks } from './recent-blocks.js'

/** Bytes of blocks kept in memory, for one run. */
const blockMemory = 32 * 1024 * 1024

export interface FeatureCacheOptions {
  /** Bytes that the cache may take in its store. */
  readonly limit: number
  /** Told, once, that the cache does not work, for people. */
  readonly note: (text: string) => void
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/**
 * Values of images, kept across runs in a store of their own (docs/formats.md). Any number of processes may use one at the same time:
 * segments are written once and never changed, and one that was deleted meanwhile is a miss. Nothing here throws: a cache that cannot
 * be read is empty, one that cannot be written takes nothing more, and both are told once.
 */
export class FeatureCache {
  private readonly computations = new Map<string, ComputationCache>()
  private readonly room: CacheRoom
  private readonly access: CacheAccess
  private state: 'works' | 'is only read' | 'is left alone' = 'works'
  private writes: Promise<void> = Promise.resolve()

  /** @param store closed by `close` */
  constructor(
    private readonly store: Store,
    private readonly options: FeatureCacheOptions,
  ) {
    this.room = new CacheRoom(store, options.limit, options.now)
    this.access = {
      store,
      room: this.room,
      blocks: new RecentBlocks<Block>(blockMemory),
      reading: (action, otherwise) => this.reading(action, otherwise),
      writing: action => {
        this.writes = this.writes.then(() => this.writing(action))
        return this.writes
      },
    }
  }

  /**
   * The values of one computation.
   * @param description what decides the numbers, all of it and in one way of writing
   */
  computation(description: string, dtype: FeatureDtype): ComputationCache {
    const known = this.computations.get(description)
    const cache = known ?? new ComputationCache(this.access, description, dtype)
    this.computations.set(description, cache)
    return cache
  }

  /** Writes down which segments were used, once in a while. */
  async noteUses(): Promise<void> {
    await this.access.writing(() => this.room.flush())
  }

  /** Writes down what was used, leaves the cache within its limit, and closes its store. */
  async close(): Promise<void> {
    await this.access.writing(() => this.room.close())
    await this.store.close().catch(() => undefined)
  }

  private async reading<Value>(action: () => Promise<Value>, otherwise: Value): Promise<Value> {
    if (this.state === 'is left alone') return otherwise
    try {
      return await action()
    } catch (error) {
      this.fail(error, 'is left alone')
      return otherwise
    }
  }

  private async writing(action: () => Promise<void>): Promise<void> {
    if (this.state !== 'works') return
    try {
      await action()
    } catch (error) {
      this.fail(error, 'is only read')
    }
  }

  private fail(error: unknown, state: 'is only read' | 'is left alone'): void {
    if (this.state === 'works') this.options.note(`cache ${this.store.url} ${state} from here on: ${errorMessage(error)}`)
    this.state = state
  }
}
