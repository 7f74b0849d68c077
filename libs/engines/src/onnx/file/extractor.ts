import { formatShape, LayermillError, type Tensor } from '@layermill/core'
import type { NamedLayer, Size2 } from '@layermill/models'
import {
  type BatchKind,
  type BatchPlace,
  type CutOptions,
  double,
  float,
  float16,
  type OnnxModel,
  type OnnxNetwork,
  prefixOf,
  probabilities,
  uint8,
} from '@layermill/onnx'
import type { Batching, Extractor } from '../../engine.js'
import type { ThreadClient } from '../../thread/client.js'
import { buffersOf } from '../../thread/transfer.js'
import { checkImages, sizeText } from '../check-images.js'
import { equalRows, repeatedImage, rowOf, rowOfCopies, rowsOf, sameImages, softmax, stackRows, tokenRows, toleranceOf } from './rows.js'
import type { ImageFeed } from './protocol.js'

/** Types of inputs that images are fed as, by their number. */
export const feedTypes: ReadonlyMap<number, ImageFeed['type']> = new Map([
  [float, 'float32'],
  [float16, 'float16'],
  [double, 'float64'],
  [uint8, 'uint8'],
  [3, 'int8'],
])

/** How the graph's input wants its images. */
export const imageFeed = ({ image }: OnnxModel): ImageFeed => ({ name: image.name, type: feedTypes.get(image.type)!, layout: image.layout })

export interface GraphExtractorOptions {
  readonly inputSize?: Size2 | undefined
  readonly onBatching?: ((batching: Batching) => void) | undefined
  /** Makes the graph compute in int8. How batches are computed is found out in float32 all the same. */
  readonly rewrite?: CutOptions['rewrite']
}

interface Session {
  readonly number: number
  readonly kind: BatchKind
  /** In the precision that the file has, where the extractor has another. */
  readonly exact: boolean
}

const baked = (count: number): string => `the file's constants hold a batch of ${count === 1 ? 'one' : count}, and were changed to take any`

/** Extracts layers of a network that is an ONNX file: its graph cut behind them, in batches once these are proven. */
export class GraphExtractor implements Extractor {
  readonly layers: readonly string[]
  private session: Session | undefined
  batching: Batching | undefined
  private releasing: Promise<void> | undefined
  private queue: Promise<unknown> = Promise.resolve()
  private exact = false
  private readonly values: readonly string[]
  private readonly model: OnnxModel

  private constructor(
    private readonly client: ThreadClient,
    private readonly network: OnnxNetwork,
    private readonly named: readonly NamedLayer[],
    private readonly options: GraphExtractorOptions,
  ) {
    this.model = network.graph.model
    this.layers = named.map(({ name }) => name)
    this.values = [...new Set(named.map(({ value }) => value))]
  }

  /** Opens a session, so that what is wrong with the file is known at once. */
  static async open(
    client: ThreadClient,
    network: OnnxNetwork,
    named: readonly NamedLayer[],
    options: GraphExtractorOptions,
  ): Promise<GraphExtractor> {
    const extractor = new GraphExtractor(client, network, named, options)
    await extractor.use('symbolic').catch(async () => extractor.use('fixed'))
    return extractor
  }

  run(images: Tensor): Promise<Map<string, Tensor>> {
    return this.inTurn(images, () => this.compute(images))
  }

  trial(images: Tensor): Promise<unknown> {
    return this.inTurn(images, () => this.tryBatch(images))
  }

  release(): Promise<void> {
    this.releasing ??= this.queue.catch(() => undefined).then(() => this.drop())
    return this.releasing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }

  private inTurn<Result>(images: Tensor, action: () => Promise<Result>): Promise<Result> {
    if (this.releasing !== undefined) return Promise.reject(new LayermillError('ENGINE_CLOSED', 'this extractor has been released'))
    try {
      const size = checkImages(images, this.options.inputSize)
      if (!this.model.takesSize(size)) {
        const [height, width] = this.model.defaultSize
        throw new LayermillError('INPUT_SIZE', `${this.network.id} takes images of ${width}x${height}, not ${sizeText(size)}`)
      }
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)))
    }
    const result = this.queue.catch(() => undefined).then(action)
    this.queue = result
    return result
  }

  private async use(kind: BatchKind): Promise<Session> {
    const { inputSize, rewrite } = this.options
    const exact = this.exact || rewrite === undefined
    if (this.session?.kind === kind && this.session.exact === exact) return this.session
    await this.drop()
    const size = inputSize === undefined ? {} : { size: inputSize }
    const cut = this.model.cut({ values: this.values, batch: kind, ...size, ...(exact ? {} : { rewrite }) })
    const { session } = await this.client.request('loadGraph', { cut, image: imageFeed(this.model) })
    this.session = { number: session, kind, exact }
    return this.session
  }

  private async drop(): Promise<void> {
    const { session } = this
    this.session = undefined
    if (session !== undefined) await this.client.free('release', { session: session.number })
  }

  /** One call of the runtime. The images stay the caller's unless they are handed over, which leaves nothing to be collected. */
  private async request({ number }: Session, images: Tensor, handOver = false): Promise<Tensor[]> {
    const whole = images.data.byteLength === images.data.buffer.byteLength
    const sent = handOver && whole ? images : { shape: images.shape, data: images.data.slice() }
    const { tensors } = await this.client.request('run', { session: number, images: sent }, buffersOf([sent]))
    return [...tensors]
  }

  private async compute(images: Tensor): Promise<Map<string, Tensor>> {
    const count = images.shape[0]!
    const { batching } = this
    if (batching?.kind === 'whole') return this.byName(await this.wholeBatch(this.session!, images, true), images)
    if (batching === undefined && count > 1 && !sameImages(images)) return this.byName(await this.prove(images), images)
    return this.byName(await this.oneByOne(await this.sessionOfOne(), images), images)
  }

  private async wholeBatch(session: Session, images: Tensor, handOver = false): Promise<Tensor[]> {
    const place = this.placesIn(images)
    return (await this.request(session, images, handOver)).map((tensor, i) => {
      const value = this.values[i]!
      return rowsOf(tensor, images.shape[0]!, value, place(value))
    })
  }

  /** Places of the images in values, for images of this size. */
  private placesIn({ shape: [, , height, width] }: Tensor): (value: string) => BatchPlace | undefined {
    return value => this.model.placeOfBatch(value, [height!, width!])
  }

  private async oneByOne(session: Session, images: Tensor): Promise<Tensor[]> {
    const rows: Tensor[][] = []
    const place = this.placesIn(images)
    const share = toleranceOf(this.model, this.values)
    for (let i = 0; i < images.shape[0]!; i++) {
      const copies = session.kind === 'fixed' ? this.model.fixedBatch : 1
      const tensors = await this.request(session, repeatedImage(rowOf(images, i), copies))
      rows.push(tensors.map((tensor, k) => rowOfCopies(tensor, copies, this.values[k]!, place(this.values[k]!), share)))
    }
    return this.values.map((_, k) => stackRows(rows.map(row => row[k]!)))
  }

  /** The layer that was asked for and is this value. */
  private nameOf(value: string): string {
    return this.named.find(layer => layer.value === value)?.name ?? value
  }

  /**
   * Finds out whether a batch gives what its images give one by one; the first batch with different images shows it. In int8, the last digit
   * of float32 decides on steps of rounding, so numbers one by one may be a step off: the proof is that of the same graph in float32.
   */
  private async prove(images: Tensor): Promise<Tensor[]> {
    if (this.options.rewrite === undefined) return this.proven(images)
    this.exact = true
    try {
      await this.proven(images)
    } finally {
      this.exact = false
    }
    const session = await this.use(this.session!.kind)
    return this.batching?.kind === 'whole' ? this.wholeBatch(session, images) : this.oneByOne(session, images)
  }

  private async proven(images: Tensor): Promise<Tensor[]> {
    let reason = ''
    const share = toleranceOf(this.model, this.values)
    for (const kind of ['symbolic', 'repaired'] as const) {
      try {
        // A repair is held against the graph as the file has it: it may be wrong for one image as it is for three.
        const own = kind === 'repaired' ? await this.oneByOne(await this.singleSession(), images) : undefined
        const session = await this.use(kind)
        const together = await this.wholeBatch(session, images)
        const alone = own ?? (await this.oneByOne(session, images))
        // As many images as the file is for say nothing on constants that were left: one says it.
        const each = this.model.fixedBatch > 1 ? await this.oneByOne(session, images) : together
        const differing = this.values.find((_, i) => [together, each].some(rows => !equalRows(rows[i]!, alone[i]!, share)))
        if (differing === undefined) {
          this.settle({ kind: 'whole', ...(kind === 'repaired' ? { reason: baked(this.model.fixedBatch) } : {}) })
          return together
        }
        reason = `${this.nameOf(differing)} of a batch differs from that of its images one by one`
        // The shapes were right, so what is baked into constants is not why, unless it is a batch of several.
        if (this.model.fixedBatch === 1) break
      } catch (error) {
        if (!(error instanceof LayermillError) || error.code === 'ENGINE_CLOSED') throw error
        reason = `the file cannot compute a batch: ${error.message.slice(0, 200)}`
      }
    }
    const session = await this.singleSession()
    const alone = await this.oneByOne(session, images)
    this.settle({ kind: 'single', reason })
    return alone
  }

  /** The file's own graph for one image: a batch that is named there is free without being proven. */
  private singleSession(): Promise<Session> {
    return this.use(typeof this.model.image.batch === 'number' ? 'fixed' : 'symbolic')
  }

  /** A session for one image, before batches are proven or where they are not taken. */
  private async sessionOfOne(): Promise<Session> {
    if (this.batching === undefined && this.model.fixedBatch > 1) return this.singleSession()
    return this.session ?? this.use('fixed')
  }

  private settle(batching: Batching): void {
    this.batching = batching
    this.options.onBatching?.(batching)
  }

  private async tryBatch(images: Tensor): Promise<void> {
    const one = images.shape[0] === 1
    if (this.batching?.kind === 'single' || (one && this.batching === undefined))
      return void (await this.oneByOne(await this.sessionOfOne(), images))
    if (this.batching !== undefined) return void (await this.request(this.session!, images))
    for (const kind of ['symbolic', 'repaired'] as const) {
      try {
        return void (await this.request(this.session ?? (await this.use(kind)), images))
      } catch (error) {
        if (!(error instanceof LayermillError) || kind === 'repaired') throw error
        await this.drop()
      }
    }
  }

  private byName(tensors: readonly Tensor[], images: Tensor): Map<string, Tensor> {
    const [count, , height, width] = images.shape as [number, number, number, number]
    const size = [height, width] as const
    const byValue = new Map(this.values.map((value, i) => [value, tensors[i]!]))
    const taken = new Set<string>()
    return new Map(
      this.named.map(({ name, value, tokens }) => {
        const tensor = byValue.get(value)!
        // Each result is in a buffer of its own.
        const own = taken.has(value) ? { shape: tensor.shape, data: tensor.data.slice() } : tensor
        taken.add(value)
        if (own.shape[0] !== count) throw new LayermillError('ENGINE_FAILED', `${name} has ${formatShape(own.shape)} for ${count} images`)
        const part = tokens === undefined ? own : tokenRows(own, tokens, prefixOf(this.model, own.shape[1] ?? 0, size))
        return [name, name === probabilities ? softmax(part) : part] as const
      }),
    )
  }
}
