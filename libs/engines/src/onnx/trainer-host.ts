import '../telemetry.js'
import * as ort from 'onnxruntime-node'
import { LayermillError, type Tensor } from '@layermill/core'
import { blockSize } from './backward/block-size.js'
import { lowerTraining, type LoweredTraining } from './backward/lower.js'
import { imageTensor } from './file/graph-session.js'
import type { GraphStep } from './file/step-graph.js'
import { createSession, sessionOptions, type SessionSettings } from './session.js'
import { countCorrect, lossSum, softmaxLoss } from './trainer-loss.js'
import type { GraphTrainParams, StepParams, StepResult, TrainerLoaded, TrainParams } from './trainer-protocol.js'

/** Marks a call into the runtime, which cannot be interrupted. */
export type NativeCall = <T>(call: () => Promise<T>) => Promise<T>

interface Program {
  readonly session: ort.InferenceSession
  readonly lowered: Omit<LoweredTraining, 'graph'>
}

const toOrt = ({ data, shape }: Tensor): ort.Tensor => new ort.Tensor('float32', data, shape)

function fromOrt(tensor: ort.Tensor): Tensor {
  if (!(tensor.data instanceof Float32Array)) throw new TypeError(`the runtime returned ${tensor.type} instead of float32`)
  return { shape: tensor.dims, data: tensor.data }
}

/** The program for scores of a network that is a table. */
async function tableScoring(
  { nodes, weights, inputSize, start, losses, trainable, statistics }: TrainParams,
  block: { readonly block?: number },
  { settings, native }: { readonly settings: SessionSettings; readonly native: NativeCall },
): Promise<Program> {
  const changing = [...trainable, ...statistics]
  const fixed = { trainable: [], changing, batchStatistics: false, dropout: false }
  const { graph, ...lowered } = lowerTraining({ nodes, weights, inputSize, start, losses, ...fixed, ...block })
  return { session: await native(() => createSession(graph, settings)), lowered }
}

/** One trainer inside the engine thread: the parameters as last set, a program for gradients and, once asked for, one for scores. */
export class TrainerHost {
  private readonly parameters = new Map<string, ort.Tensor>()
  private evaluation: Program | undefined

  private constructor(
    private readonly params: Pick<TrainParams, 'trainable' | 'statistics' | 'losses' | 'weights'>,
    private readonly native: NativeCall,
    private readonly program: Program,
    /** Makes the program for scores. */
    private readonly scoring: () => Promise<Program>,
    private readonly feed: (images: Tensor) => ort.Tensor = toOrt,
  ) {
    for (const name of [...params.trainable, ...params.statistics]) this.parameters.set(name, toOrt(params.weights.get(name)!))
  }

  static async create(params: TrainParams, settings: SessionSettings, native: NativeCall): Promise<TrainerHost> {
    const { nodes, weights, inputSize, start, losses, trainable, batchStatistics, storedNorms = [], dropout } = params
    const size = await native(() => blockSize(settings))
    const block = size === undefined ? {} : { block: size }
    const request = { nodes, weights, inputSize, start, losses, trainable, batchStatistics, storedNorms, dropout, ...block }
    const { graph, ...lowered } = lowerTraining(request)
    const session = await native(() => createSession(graph, settings))
    return new TrainerHost(params, native, { session, lowered }, () => tableScoring(params, block, { settings, native }))
  }

  /** A trainer of a graph from a file. */
  static async ofGraph(params: GraphTrainParams, settings: SessionSettings, native: NativeCall): Promise<TrainerHost> {
    const options = sessionOptions(settings)
    const open = async ({ model, lowered }: GraphStep): Promise<Program> => ({
      session: await native(() => ort.InferenceSession.create(model, options)),
      lowered,
    })
    const program = await open(params.training)
    return new TrainerHost(
      params,
      native,
      program,
      () => open(params.scoring),
      images => imageTensor(images, params.image),
    )
  }

  get description(): Omit<TrainerLoaded, 'trainer'> {
    const { masks, gradients, statistics } = this.program.lowered
    return {
      masks: [...masks].map(([node, { shape }]) => [node, shape] as const),
      gradients: [...gradients.keys()],
      statistics: [...statistics.keys()],
    }
  }

  setParameters(parameters: ReadonlyMap<string, Tensor>): void {
    for (const [name, tensor] of parameters) {
      const held = this.parameters.get(name)?.data
      // The runtime takes no tensors in shared memory, and whoever shares it is going to change them.
      if (tensor.data.buffer instanceof SharedArrayBuffer && held instanceof Float32Array) held.set(tensor.data)
      else this.parameters.set(name, toOrt(tensor))
    }
  }

  async gradients({ images, labels, targets, masks, recycle }: StepParams): Promise<StepResult> {
    const { session, lowered } = this.program
    const feeds = this.feeds(this.program, images)
    feeds[lowered.targets] = toOrt(targets)
    for (const [node, mask] of masks) feeds[lowered.masks.get(node)!.input] = toOrt(mask)
    const values = await this.native(() => session.run(feeds, this.fetches(session, lowered, recycle)))
    const gradients = [...lowered.gradients.values()].map(name => fromOrt(values[name]!))
    const statistics = [...lowered.statistics.values()].flatMap(({ mean, variance, elementsPerImage }) => {
      const count = labels.length * elementsPerImage
      return [fromOrt(values[mean]!), unbiased(fromOrt(values[variance]!), count)]
    })
    const scored = this.score(lowered, values, labels, targets)
    return { ...scored, tensors: [...scored.tensors, ...gradients, ...statistics] }
  }

  async evaluate({ images, labels, targets }: Pick<StepParams, 'images' | 'labels' | 'targets'>): Promise<StepResult> {
    this.evaluation ??= await this.scoring()
    const { session, lowered } = this.evaluation
    const feeds = this.feeds(this.evaluation, images)
    const values = await this.native(() => session.run(feeds))
    return this.score(lowered, values, labels, targets)
  }

  async release(): Promise<void> {
    await this.native(() => this.program.session.release())
    const { evaluation } = this
    if (evaluation !== undefined) await this.native(() => evaluation.session.release())
  }

  /** Images and those parameters that a program takes. */
  private feeds({ session, lowered }: Program, images: Tensor): Record<string, ort.Tensor> {
    const feeds: Record<string, ort.Tensor> = { [lowered.input]: this.feed(images) }
    for (const name of session.inputNames) {
      const parameter = this.parameters.get(name)
      if (parameter !== undefined) feeds[name] = parameter
    }
    return feeds
  }

  /** All outputs; gradients into memory of an earlier step where there is some, since new memory costs more than filling it. */
  private fetches(
    session: ort.InferenceSession,
    lowered: Program['lowered'],
    recycle: readonly Float32Array[],
  ): ort.InferenceSession.FetchesType {
    const fetches: Record<string, ort.Tensor | null> = {}
    for (const name of session.outputNames) fetches[name] = null
    if (recycle.length === 0) return fetches
    for (const [i, [parameter, output]] of [...lowered.gradients].entries()) {
      fetches[output] = new ort.Tensor('float32', recycle[i]!, this.parameters.get(parameter)!.dims)
    }
    return fetches
  }

  private score(lowered: Program['lowered'], values: ort.InferenceSession.ReturnType, labels: Int32Array, targets: Tensor): StepResult {
    const scores = this.params.losses.map(({ node }) => fromOrt(values[lowered.scores.get(node)!]!))
    const { losses } = this.params
    const loss = losses.reduce((sum, { weight, loss: kind = softmaxLoss }, i) => sum + weight * lossSum(kind, scores[i]!, targets), 0)
    const main = scores[0]
    if (main === undefined) throw new LayermillError('GRAPH_INVALID', 'a trainer needs at least one loss')
    return { loss, correct: countCorrect(losses[0]!.loss ?? softmaxLoss, main, labels, targets), tensors: [main] }
  }
}

/** The runtime's variance divides by the count; Chainer's running variance moves towards the one that divides by count - 1. */
function unbiased({ shape, data }: Tensor, count: number): Tensor {
  return { shape, data: data.map(value => (value * count) / Math.max(1, count - 1)) }
}
