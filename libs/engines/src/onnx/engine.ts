import { LayermillError, type Tensor, type TensorMap } from '@layermill/core'
import { inferShapes, layerShapes, namedLayers, pruneNodes, resolveLayers, type Network, type Size2 } from '@layermill/models'
import { isOnnxNetwork, type OnnxNetwork } from '@layermill/onnx'
import type { Explainer, ExplainerOptions } from '../explainer.js'
import type { CalibratorOptions, Device, Engine, EngineName, Extractor, ExtractorOptions } from '../engine.js'
import { requireFloat16 } from '../float16-devices.js'
import type { ThreadClient } from '../thread/client.js'
import { EngineThreads } from '../thread/engine-threads.js'
import type { LoadParams, Requests } from '../thread/protocol.js'
import { buffersOf } from '../thread/transfer.js'
import type { Trainer, TrainerOptions } from '../trainer.js'
import { checkImages, sizeText } from './check-images.js'
import { ThreadExplainer } from './explain/explainer.js'
import { GraphExplainer } from './file/explain-graph.js'
import { GraphExtractor } from './file/extractor.js'
import { openGraphCalibrator, openInt8Graph } from './file/int8-extractor.js'
import { createGraphTrainer } from './file/graph-trainer.js'
import { trainsGraph } from './file/step-graph.js'
import { createTrainer, type TrainerPlace } from './trainer.js'
import { allShared, copyWeights, selectWeights, wholeBuffers } from './weights.js'

export interface OpenedEngine {
  readonly name: EngineName
  readonly device: Device
  readonly report: string
  readonly version: string
  /** Threads inside one operator. */
  readonly threads: number
  /** The engine's thread, open. */
  readonly client: ThreadClient
  /** Starts another thread of the same kind, in which trainers work beside the engine's. */
  startThread(this: void): ThreadClient
}

/** The calling thread's side of an engine in a thread of its own, whichever runtime is below. Made by `openEngine`. */
export class ThreadEngine implements Engine {
  readonly name: EngineName
  readonly device: Device
  readonly report: string
  readonly version: string
  private readonly client: ThreadClient
  private readonly threads: EngineThreads
  private readonly trainers = new Set<Trainer>()
  private closing: Promise<void> | undefined

  constructor(private readonly opened: OpenedEngine) {
    this.client = opened.client
    this.threads = new EngineThreads(opened.client, opened.startThread)
    this.name = opened.name
    this.device = opened.device
    this.report = opened.report
    this.version = opened.version
  }

  async extractor(network: Network, weights: TensorMap, layers: readonly string[], options: ExtractorOptions = {}): Promise<Extractor> {
    const { inputSize, ranges, float16 = false, handOver = false } = options
    this.assertOpen()
    if (isOnnxNetwork(network)) return this.graphExtractor(network, layers, options)
    if (ranges !== undefined) this.assertInt8()
    if (float16) requireFloat16(this)
    const names = [...new Set(layers)]
    if (names.length === 0) throw new LayermillError('LAYER_UNKNOWN', `no layer of ${network.id} was asked for`)
    const outputs = resolveLayers(network, names)
    if (inputSize !== undefined) layerShapes(network, names, inputSize)
    const wanted = { outputs, inputSize, float16, ...(ranges === undefined ? {} : { ranges }) }
    const { session } = await this.load(network, weights, wanted, handOver)
    return new ThreadExtractor(this.client, { session, layers: names, checked: names, network, inputSize })
  }

  private async graphExtractor(network: OnnxNetwork, layers: readonly string[], options: ExtractorOptions): Promise<Extractor> {
    const { inputSize, ranges, float16 = false, onBatching } = options
    if (this.name !== 'onnx') {
      throw notRun(network, this.name)
    }
    if (float16) {
      throw new LayermillError(
        'PRECISION_UNAVAILABLE',
        `${network.id} is an ONNX file, which is not computed in float16 unless it is so itself`,
        {
          hint: 'leave out --precision, or give --precision int8; files in float16 and int8 are run as they are',
        },
      )
    }
    const named = namedLayers(network, layers)
    if (named.length === 0) throw new LayermillError('LAYER_UNKNOWN', `no layer of ${network.id} was asked for`)
    if (ranges === undefined) return GraphExtractor.open(this.client, network, named, { inputSize, onBatching })
    this.assertInt8()
    return openInt8Graph(this.client, network, named, { inputSize, onBatching, ranges, exact: options.exactLayers ?? new Set() })
  }

  async calibrator(
    network: Network,
    weights: TensorMap,
    sets: readonly (readonly string[])[],
    { inputSize, extremes = false }: CalibratorOptions = {},
  ): Promise<Extractor> {
    this.assertOpen()
    this.assertInt8()
    if (isOnnxNetwork(network)) return openGraphCalibrator(this.client, network, sets.flat(), inputSize)
    const checked = [...new Set(sets.flat())]
    layerShapes(network, checked, inputSize)
    const calibrate = sets.map(layers => resolveLayers(network, layers))
    const { session, points = [] } = await this.load(network, weights, {
      outputs: resolveLayers(network, checked),
      inputSize,
      calibrate,
      extremes,
    })
    return new ThreadExtractor(this.client, { session, layers: points, checked, network, inputSize })
  }

  private async load(
    network: Network,
    weights: TensorMap,
    wanted: Pick<LoadParams, 'outputs' | 'inputSize' | 'ranges' | 'float16' | 'calibrate' | 'extremes'>,
    handOver = false,
  ): Promise<Requests['load']['result']> {
    const nodes = pruneNodes(network.nodes, wanted.outputs)
    const selected = selectWeights(network, nodes, weights)
    const shared = allShared(selected)
    // Nothing is waited for where they are handed over, so that nobody else finds them half gone.
    const sent = handOver ? wholeBuffers(selected) : shared ? selected : await copyWeights(selected)
    this.assertOpen()
    const params = { nodes, weights: sent, ownWeights: handOver || !shared, ...wanted }
    return this.client.request('load', params, buffersOf(sent.values()))
  }

  async trainer(network: Network, weights: TensorMap, options: TrainerOptions): Promise<Trainer> {
    this.assertOpen()
    refuseGraph(
      network,
      'it has no head to be trained',
      'train a head on one of its layers: `layermill finetune --model FILE --layer LAYER`',
    )
    const { name, device, opened, threads, trainers } = this
    const inReplicas = name === 'onnx' && device === 'cpu'
    const place = { threads, device, cores: opened.threads, inReplicas, onReleased: (released: Trainer) => void trainers.delete(released) }
    const trainer = await (trainsGraph(network, options.start)
      ? createGraphTrainer(this.placeOfGraphs(network, place), network, weights, options)
      : createTrainer(place, network, weights, options))
    trainers.add(trainer)
    return trainer
  }

  /** @throws LayermillError `ENGINE_UNKNOWN` where the engine runs no ONNX files */
  private placeOfGraphs(network: Network, place: TrainerPlace): TrainerPlace {
    if (this.name === 'onnx') return place
    throw notRun(network, this.name)
  }

  async explainer(network: Network, weights: TensorMap, options: ExplainerOptions): Promise<Explainer> {
    const { layers, inputSize = network.inputSize, inputGradient = true } = options
    this.assertOpen()
    if (isOnnxNetwork(network)) {
      if (this.name !== 'onnx') throw notRun(network, this.name)
      return GraphExplainer.open(this.client, network, { layers, inputSize })
    }
    const names = [...new Set(layers)]
    const scores = network.classifier
    const nodes = pruneNodes(network.nodes, [scores])
    const shapes = inferShapes(nodes, inputSize)
    const selected = selectWeights({ ...network, inputSize }, nodes, weights)
    const params = { nodes, inputSize, scores, layers: resolveLayers(network, names), inputGradient, weights: await copyWeights(selected) }
    this.assertOpen()
    const { explainer } = await this.client.request('loadExplainer', params, buffersOf(params.weights.values()))
    const [classes] = shapes.get(scores)!
    return new ThreadExplainer(this.client, { explainer, layers: names, classes: classes!, input: shapes.get(nodes[0]!.name)! })
  }

  close(): Promise<void> {
    this.closing ??= this.end()
    return this.closing
  }

  private async end(): Promise<void> {
    // Behind their pending calls. What cannot be freed goes with the threads.
    await Promise.allSettled([...this.trainers].map(trainer => trainer.release()))
    await this.threads.close()
  }

  private assertOpen(): void {
    if (this.closing !== undefined) throw new LayermillError('ENGINE_CLOSED', 'the engine has been closed')
  }

  private assertInt8(): void {
    if (this.name === 'onnx' && this.device === 'cpu') return
    throw new LayermillError(
      'PRECISION_UNAVAILABLE',
      `engine ${this.name} on ${this.device} does not compute in int8; ONNX Runtime on the CPU does`,
      {
        hint: 'give --engine onnx --device cpu, to workers of the fleet as well',
      },
    )
  }
}

function notRun({ id }: Network, engine: EngineName): LayermillError {
  return new LayermillError('ENGINE_UNKNOWN', `${id} is an ONNX file, which engine ${engine} does not run; ONNX Runtime does`, {
    hint: 'leave out --engine',
  })
}

function refuseGraph(network: Network, what: string, hint: string): void {
  if (!isOnnxNetwork(network)) return
  throw new LayermillError('ONNX_UNSUPPORTED', `${network.id} is an ONNX file: ${what}`, { hint })
}

interface ExtractorParts {
  readonly session: number
  readonly layers: readonly string[]
  /** Public names of layers that images must be large enough for. */
  readonly checked: readonly string[]
  readonly network: Network
  readonly inputSize: Size2 | undefined
}

class ThreadExtractor implements Extractor {
  private readonly knownSizes = new Set<string>()
  private releasing: Promise<void> | undefined

  readonly layers: readonly string[]

  constructor(
    private readonly client: ThreadClient,
    private readonly parts: ExtractorParts,
  ) {
    this.layers = parts.layers
  }

  async run(images: Tensor): Promise<Map<string, Tensor>> {
    if (this.releasing !== undefined) throw new LayermillError('ENGINE_CLOSED', 'this extractor has been released')
    this.checkImages(images)
    const { tensors } = await this.client.request('run', { session: this.parts.session, images }, buffersOf([images]))
    return new Map(this.layers.map((layer, i) => [layer, tensors[i]!]))
  }

  release(): Promise<void> {
    this.releasing ??= this.client.free('release', { session: this.parts.session })
    return this.releasing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }

  /** Throws before anything is sent, so that the images stay the caller's where they are refused. */
  private checkImages(images: Tensor): void {
    const { inputSize, network, checked } = this.parts
    const size = checkImages(images, inputSize)
    const key = sizeText(size)
    if (this.knownSizes.has(key)) return
    layerShapes(network, checked, size)
    this.knownSizes.add(key)
  }
}
