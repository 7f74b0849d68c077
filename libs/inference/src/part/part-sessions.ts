import type { Extractor } from '@layermill/engines'
import type { Tensor } from '@layermill/core'
import type { Lease } from '../lease-cache.js'
import type { BatchRunner } from './compute-rows.js'

/** The sessions of one part, opened when the first image needs one: a part that the cache has opens none. */
export class PartSessions implements BatchRunner {
  /** One that cannot be opened is not tried again: its error is that of every batch. */
  private readonly leases = new Map<string, Promise<Lease<Extractor>>>()

  /**
   * @param all the run's layers
   * @param open a session that computes these layers
   */
  constructor(
    private readonly all: readonly string[],
    private readonly open: (layers: readonly string[]) => Promise<Lease<Extractor>>,
  ) {}

  /** The session of some layers; of all of them where left out. */
  async session(layers: readonly string[] = this.all): Promise<Extractor> {
    const name = layers.join()
    const lease = this.leases.get(name) ?? this.open(layers)
    this.leases.set(name, lease)
    return (await lease).value
  }

  async run(images: Tensor, layers?: readonly string[]): Promise<ReadonlyMap<string, Tensor>> {
    return (await this.session(layers)).run(images)
  }

  async oneByOne(): Promise<string | undefined> {
    const opened = await Promise.allSettled(this.leases.values())
    const found = opened.map(lease => (lease.status === 'fulfilled' ? lease.value.value.batching : undefined))
    const single = found.find(batching => batching?.kind === 'single')
    return single && (single.reason ?? '')
  }

  /** Gives all of them back. */
  async done(): Promise<void> {
    for (const lease of await Promise.allSettled(this.leases.values())) if (lease.status === 'fulfilled') lease.value.done()
  }
}
