import { parseSpec, type RunRecord } from '@layermill/contracts'
import { getNetwork } from '@layermill/models'
import { openRun, type RunEnvironment } from '@layermill/orchestrator/run'
import type { ImageSource, SourceItem, Store } from '@layermill/storage'

/** A listing of `count` synthetic keys, a thousand to a page, as S3 gives them. */
export function syntheticSource(count: number): ImageSource {
  async function* items(): AsyncGenerator<SourceItem> {
    for (let page = 0; page * 1000 < count; page++) {
      // A page comes with one answer of the server.
      await new Promise(resolve => setImmediate(resolve))
      for (let i = page * 1000; i < Math.min(count, (page + 1) * 1000); i++) {
        yield {
          key: `photos/${String(page).padStart(7, '0')}/image${String(i).padStart(10, '0')}.jpg`,
          etag: ((i * 2654435761) % 2 ** 32).toString(16).padStart(32, '0'),
          bytes: 120_000,
        }
      }
    }
  }
  return {
    url: 's3://synthetic/photos',
    kind: 's3',
    items,
    read: () => Promise.reject(new Error('nothing is read here')),
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

/** A store that keeps run.json and counts the bytes of all else. */
export class CountingStore implements Store {
  readonly url: string
  written = 0
  puts = 0
  private readonly kept = new Map<string, string | Uint8Array>()

  constructor(url: string) {
    this.url = url
  }

  get(key: string): Promise<Uint8Array | undefined> {
    const found = this.kept.get(key)
    return Promise.resolve(typeof found === 'string' ? new TextEncoder().encode(found) : found)
  }

  put(key: string, bytes: Uint8Array | string): Promise<boolean> {
    this.puts += 1
    this.written += bytes.length
    if (key === 'run.json') this.kept.set(key, bytes)
    return new Promise(resolve => setImmediate(() => resolve(true)))
  }

  putStream = (): Promise<boolean> => Promise.reject(new Error('nothing is streamed here'))
  async *list(): AsyncGenerator<never> {}
  getRange = (): Promise<undefined> => Promise.resolve(undefined)
  stat = (): Promise<undefined> => Promise.resolve(undefined)
  delete = (): Promise<void> => Promise.resolve()
  swapsExactly = (): Promise<boolean> => Promise.resolve(true)
  freeBytes = (): Promise<undefined> => Promise.resolve(undefined)
  close = (): Promise<void> => Promise.resolve()

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** A run over synthetic keys, ready to be supervised; `queue` carries its parts. */
export async function syntheticRun(
  images: number,
  queue: RunEnvironment['queue'],
): Promise<{ record: RunRecord; environment: RunEnvironment; store: CountingStore }> {
  const store = new CountingStore(`/bench/${images}`)
  const environment: RunEnvironment = {
    openStore: () => Promise.resolve(store),
    openSource: () => Promise.resolve(syntheticSource(images)),
    queue,
    model: () => Promise.resolve({ network: getNetwork('resnet50'), weightsSha256: '0'.repeat(64) }),
    preparationVersion: 'bench',
    versions: {},
    now: () => new Date(),
    newId: kind => `${kind}-bench-${process.pid}-${images}`,
  }
  const spec = parseSpec({
    kind: 'extract',
    source: 's3://synthetic/photos',
    model: 'resnet50',
    layers: ['pool5'],
    out: store.url,
    partSize: 512,
  })
  if (spec.kind !== 'extract') throw new Error('not an extraction')
  const { record } = await openRun(spec, store, environment)
  return { record, environment, store }
}
