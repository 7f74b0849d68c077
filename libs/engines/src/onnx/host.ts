import '../telemetry.js'
import * as ort from 'onnxruntime-node'
import { elementCount, freeArrays, type Tensor } from '@layermill/core'
import { inferShapes, type GraphNode, type Size2 } from '@layermill/models'
import type { Device } from '../engine.js'
import { nativeCall } from '../thread/guard.js'
import { Numbered } from '../thread/numbered.js'
import type { LoadParams, Request, Requests, RequestKind } from '../thread/protocol.js'
import { selectDevice } from './devices.js'
import { ExplainerHost } from './explain/host.js'
import { extremesOf, withExtremes } from './int8/extremes.js'
import { calibrationPoints } from './int8/points.js'
import { toHalfPrecision } from './float16/half-precision.js'
import { averagingMatrix } from './lower/adaptive.js'
import { lower, type Lowered } from './lower/lower.js'
import { rectify, withoutRectified, type WithoutRectified } from './lower/rectified.js'
import type { OnnxGraph } from './graph.js'
import { GraphSession } from './file/graph-session.js'
import { createSession } from './session.js'
import { splitProducts } from './lower/split-products.js'
import { TrainerHost } from './trainer-host.js'
import type { GraphTrainParams, TrainerLoaded, TrainParams } from './trainer-protocol.js'

interface Loaded {
  readonly session: ort.InferenceSession
  readonly lowered: Omit<Lowered, 'graph'>
  /** Node names, in the order in which their tensors are returned. */
  readonly outputs: readonly string[]
  /** Of values that the session does not give, those that they are the ReLU of. */
  readonly rectified: WithoutRectified['rectified']
  /** Gives the outputs' smallest and largest numbers. */
  readonly extremes: boolean
  /** For the sizes that averaging matrices depend on; empty where there are none. */
  readonly nodes: readonly GraphNode[]
}

/** The engine inside its thread: sessions by number, requests one at a time. */
export class OnnxHost {
  private readonly sessions = new Numbered<Loaded | GraphSession>('extractor')
  private readonly trainers = new Numbered<TrainerHost>('trainer')
  private readonly explainers = new Numbered<ExplainerHost>('explainer')
  private device: Device = 'cpu'
  private threads = 1

  /** @param flags see `thread/protocol.ts`. */
  constructor(private readonly flags: Int32Array) {}

  /** Carries out one request; throws LayermillErrors and the runtime's own errors. */
  handle(request: Request): Promise<Requests[RequestKind]['result']> {
    switch (request.kind) {
      case 'open':
        return this.open(request.params)
      case 'load':
        return this.load(request.params)
      case 'loadGraph':
        return this.loadGraph(request.params)
      case 'runGraph':
        return this.runGraph(request.params)
      case 'run':
        return this.run(request.params)
      case 'release':
        return this.release(request.params)
      case 'train':
        return this.train(request.params)
      case 'trainGraph':
        return this.trainGraph(request.params)
      case 'gradients':
        return this.trainers.get(request.params.trainer).gradients(request.params)
      case 'evaluate':
        return this.trainers.get(request.params.trainer).evaluate(request.params)
      case 'parameters':
        return this.setParameters(request.params)
      case 'releaseTrainer':
        return this.releaseTrainer(request.params)
      case 'loadExplainer':
        return this.loadExplainer(request.params)
      case 'explain':
        return this.explain(request.params)
      case 'releaseExplainer':
        return this.releaseExplainer(request.params)
      case 'close':
        return this.close()
    }
  }

  private async open({ devices, threads }: Requests['open']['params']): Promise<Requests['open']['result']> {
    // The runtime would print its reasons to stderr as well as throw them.
    ort.env.logLevel = 'fatal'
    const { device, report } = await nativeCall(this.flags, () => selectDevice(devices))
    this.device = device
    this.threads = threads
    return { device, report, version: `onnxruntime ${ort.env.versions.node ?? ort.env.versions.common}` }
  }

  private async load(params: LoadParams): Promise<Requests['load']['result']> {
    const { nodes, weights, inputSize, ownWeights, ranges, calibrate, extremes = false } = params
    const points = calibrate === undefined ? undefined : calibrationPoints(nodes, weights, calibrate)
    const outputs = points ?? params.outputs
    const { graph: whole, ...lowered } = lower({
      nodes,
      weights,
      outputs,
      inputSize,
      overwriteWeights: ownWeights,
      ranges,
      lrnAsProducts: this.device === 'cpu',
    })
    const exact = this.device === 'cpu' && !extremes && ranges === undefined && params.float16 !== true
    const { graph, rectified } = exact ? withoutRectified(whole) : { graph: extremes ? withExtremes(whole) : whole, rectified: new Map() }
    const options = { device: this.device, threads: this.threads, arena: resultBytes(nodes, outputs, inputSize) < mostInArena }
    const loaded = params.float16 === true ? toHalfPrecision(graph) : this.device === 'cpu' ? splitProducts(graph) : graph
    // Folded weights alone are as large as the network.
    const free = (): void => freeArrays([...weightArrays(graph), ...weightArrays(loaded), ...[...weights.values()].map(({ data }) => data)])
    const session = await nativeCall(this.flags, () => createSession(loaded, options, undefined, free))
    const sized = lowered.averaging.length > 0 ? nodes : []
    const number = this.sessions.add({ session, lowered, outputs, rectified, extremes, nodes: sized })
    return { session: number, ...(points === undefined ? {} : { points }) }
  }

  private async run({ session: number, images, inputs }: Requests['run']['params']): Promise<Requests['run']['result']> {
    const loaded = this.sessions.get(number)
    if (loaded instanceof GraphSession) return { tensors: await nativeCall(this.flags, () => loaded.run(images, inputs)) }
    const feeds: Record<string, ort.Tensor> = { [loaded.lowered.input]: toOrt(images), ...averagingFeeds(loaded, images) }
    const results = await nativeCall(this.flags, () => loaded.session.run(feeds))
    const taken = new Set<string>()
    const tensors = loaded.outputs.map(node => {
      const bound = loaded.lowered.outputs.get(node)!
      const value = loaded.extremes ? extremesOf(bound) : bound
      const source = loaded.rectified.get(value)
      if (source !== undefined) return rectifiedOf(results[source]!)
      const tensor = fromOrt(results[value]!, taken.has(value))
      taken.add(value)
      return tensor
    })
    return { tensors }
  }

  private async release({ session: number }: Requests['release']['params']): Promise<undefined> {
    const loaded = this.sessions.take(number)
    if (loaded instanceof GraphSession) await nativeCall(this.flags, () => loaded.release())
    else if (loaded !== undefined) await nativeCall(this.flags, () => loaded.session.release())
    return undefined
  }

  private async loadGraph(params: Requests['loadGraph']['params']): Promise<Requests['loadGraph']['result']> {
    const session = await nativeCall(this.flags, () => GraphSession.create(params, { device: this.device, threads: this.threads }))
    return { session: this.sessions.add(session) }
  }

  private async runGraph({ session, feeds }: Requests['runGraph']['params']): Promise<Requests['runGraph']['result']> {
    const loaded = this.sessions.get(session)
    if (!(loaded instanceof GraphSession)) throw new Error(`session ${session} is of no file`)
    return { values: await nativeCall(this.flags, () => loaded.runRaw(feeds)) }
  }

  private async train(params: TrainParams): Promise<TrainerLoaded> {
    const settings = { device: this.device, threads: params.threads }
    const host = await TrainerHost.create(params, settings, call => nativeCall(this.flags, call))
    return { trainer: this.trainers.add(host), ...host.description }
  }

  private async trainGraph(params: GraphTrainParams): Promise<TrainerLoaded> {
    const settings = { device: this.device, threads: params.threads }
    const host = await TrainerHost.ofGraph(params, settings, call => nativeCall(this.flags, call))
    return { trainer: this.trainers.add(host), ...host.description }
  }

  private async setParameters({ trainer, parameters }: Requests['parameters']['params']): Promise<undefined> {
    this.trainers.get(trainer).setParameters(parameters)
    return undefined
  }

  private async releaseTrainer({ trainer: number }: Requests['releaseTrainer']['params']): Promise<undefined> {
    await this.trainers.take(number)?.release()
    return undefined
  }

  private async loadExplainer(params: Requests['loadExplainer']['params']): Promise<Requests['loadExplainer']['result']> {
    const host = await nativeCall(this.flags, () => ExplainerHost.create(params, { device: this.device, threads: this.threads }))
    return { explainer: this.explainers.add(host) }
  }

  private async explain({ explainer, images, seed }: Requests['explain']['params']): Promise<Requests['explain']['result']> {
    const host = this.explainers.get(explainer)
    return { tensors: await nativeCall(this.flags, () => host.explain(images, seed)) }
  }

  private async releaseExplainer({ explainer: number }: Requests['releaseExplainer']['params']): Promise<undefined> {
    const host = this.explainers.take(number)
    if (host !== undefined) await nativeCall(this.flags, () => host.release())
    return undefined
  }

  private async close(): Promise<undefined> {
    for (const session of this.sessions.numbers()) await this.release({ session })
    for (const explainer of this.explainers.numbers()) await this.releaseExplainer({ explainer })
    for (const trainer of this.trainers.numbers()) await this.releaseTrainer({ trainer })
    return undefined
  }
}

/** Bytes of an image's results from which on the runtime gives memory back after each run instead of keeping it for the next. */
const mostInArena = 32 * 2 ** 20

/** Bytes of one image's results; 0 where the image's size is not known. */
function resultBytes(nodes: readonly GraphNode[], outputs: readonly string[], inputSize: Size2 | undefined): number {
  if (inputSize === undefined) return 0
  const shapes = inferShapes(nodes, inputSize)
  return outputs.reduce((sum, node) => sum + elementCount(shapes.get(node)!), 0) * Float32Array.BYTES_PER_ELEMENT
}

function weightArrays({ initializers }: OnnxGraph): ArrayBufferView[] {
  return [...initializers.values()].flatMap(({ data }) => (ArrayBuffer.isView(data) ? [data] : []))
}

function toOrt(tensor: Tensor): ort.Tensor {
  return new ort.Tensor('float32', tensor.data, tensor.shape)
}

function floatsOf({ data, type }: ort.Tensor): Float32Array {
  if (!(data instanceof Float32Array)) throw new TypeError(`the runtime returned ${type} instead of float32`)
  return data
}

/** A tensor in a buffer of its own; `shared` where another result has this one's buffer already. */
function fromOrt(tensor: ort.Tensor, shared: boolean): Tensor {
  const data = floatsOf(tensor)
  return { shape: tensor.dims, data: shared ? data.slice() : data }
}

function rectifiedOf(tensor: ort.Tensor): Tensor {
  return { shape: tensor.dims, data: rectify(floatsOf(tensor)) }
}

function averagingFeeds({ lowered, nodes }: Loaded, images: Tensor): Record<string, ort.Tensor> {
  if (lowered.averaging.length === 0) return {}
  const size: Size2 = [images.shape[2]!, images.shape[3]!]
  const shapes = inferShapes(nodes, size)
  const feeds = lowered.averaging.map(({ name, source, axis, parts }) => {
    const length = shapes.get(source)![axis === 'height' ? 1 : 2]!
    const matrix = averagingMatrix(parts, length, axis === 'width')
    return [name, new ort.Tensor('float32', matrix, axis === 'height' ? [parts, length] : [length, parts])] as const
  })
  return Object.fromEntries(feeds)
}
