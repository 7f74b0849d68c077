import type { Tensor } from '@layermill/core'
import { namedLayers, type NamedLayer, type Size2 } from '@layermill/models'
import type { OnnxNetwork } from '@layermill/onnx'
import type { Batching, Extractor } from '../../engine.js'
import type { ThreadClient } from '../../thread/client.js'
import type { Range } from '../int8/parameters.js'
import { GraphCalibrator } from './calibrator.js'
import { GraphExtractor } from './extractor.js'
import { int8Rewrite } from './int8-graph.js'
import { Int8Plan } from './int8-plan.js'

/** The values that some layers are, each once. */
const valuesOf = (named: readonly NamedLayer[]): string[] => [...new Set(named.map(({ value }) => value))]

/**
 * The values whose ranges layers of a file need, in float32.
 * @throws LayermillError `PRECISION_UNAVAILABLE` where nothing that they need computes in int8
 */
export async function openGraphCalibrator(
  client: ThreadClient,
  network: OnnxNetwork,
  layers: readonly string[],
  inputSize: Size2 | undefined,
): Promise<Extractor> {
  const points = new Int8Plan(network.graph.model).points(valuesOf(namedLayers(network, layers)), network.id)
  return GraphCalibrator.open(client, network, points, inputSize)
}

export interface Int8GraphOptions {
  readonly inputSize: Size2 | undefined
  readonly onBatching: ((batching: Batching) => void) | undefined
  readonly ranges: ReadonlyMap<string, Range>
  /** Layers that are computed in float32, by a graph of their own: so that no value depends on which others are. */
  readonly exact: ReadonlySet<string>
}

/** Layers of a file in int8, and in float32 those that are to be. */
export async function openInt8Graph(
  client: ThreadClient,
  network: OnnxNetwork,
  named: readonly NamedLayer[],
  { ranges, exact, ...options }: Int8GraphOptions,
): Promise<Extractor> {
  const inFloat = named.filter(({ name }) => exact.has(name))
  const inInt8 = named.filter(({ name }) => !exact.has(name))
  const extractors: GraphExtractor[] = []
  try {
    if (inInt8.length > 0) {
      const rewrite = await int8Rewrite(new Int8Plan(network.graph.model), ranges, valuesOf(inInt8))
      extractors.push(await GraphExtractor.open(client, network, inInt8, { ...options, rewrite }))
    }
    if (inFloat.length > 0) extractors.push(await GraphExtractor.open(client, network, inFloat, options))
  } catch (error) {
    await Promise.all(extractors.map(extractor => extractor.release()))
    throw error
  }
  return extractors.length === 1
    ? extractors[0]!
    : new JoinedExtractor(
        named.map(({ name }) => name),
        extractors,
      )
}

/** Layers that several sessions give for the same images. */
class JoinedExtractor implements Extractor {
  constructor(
    readonly layers: readonly string[],
    private readonly parts: readonly GraphExtractor[],
  ) {}

  /** That of the part that computes one at a time, where one does. */
  get batching(): Batching | undefined {
    const known = this.parts.map(({ batching }) => batching)
    return known.find(batching => batching?.kind === 'single') ?? known[0]
  }

  async run(images: Tensor): Promise<Map<string, Tensor>> {
    const found = new Map<string, Tensor>()
    for (const [i, part] of this.parts.entries()) {
      // Each part takes its images for itself.
      const own = i === this.parts.length - 1 ? images : { shape: images.shape, data: images.data.slice() }
      for (const [name, tensor] of await part.run(own)) found.set(name, tensor)
    }
    return new Map(this.layers.map(name => [name, found.get(name)!]))
  }

  async trial(images: Tensor): Promise<void> {
    for (const part of this.parts) await part.trial(images)
  }

  async release(): Promise<void> {
    await Promise.all(this.parts.map(part => part.release()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }
}
