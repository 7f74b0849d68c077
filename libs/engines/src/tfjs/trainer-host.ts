import * as tf from '@tensorflow/tfjs-core'
import { LayermillError, type Tensor } from '@layermill/core'
import { inferShapes, pruneNodes, type GraphNode } from '@layermill/models'
import { joinBatchNorm, learnable, nodesWithGradient, type TrainingNode } from '../onnx/backward/plan.js'
import { countCorrect, lossSlopes, lossSum, softmaxLoss } from '../onnx/trainer-loss.js'
import type { LossKind } from '../trainer.js'
import type { StepParams, StepResult, TrainerLoaded, TrainParams } from '../onnx/trainer-protocol.js'
import { Parameters } from './parameters.js'
import { recordNodes, runNodes, type Values } from './program.js'
import { isInput, type RuleContext } from './rules.js'
import { download, uploadValue } from './values.js'

/** The nodes between `start` (as an input of the same name) and the losses. */
function cutNodes({ nodes, losses, start }: TrainParams): GraphNode[] {
  const opened = nodes.map((node): GraphNode =>
    node.name === start ? { name: start, op: 'input', inputs: [], attributes: { channels: 0 }, parameters: undefined } : node,
  )
  return pruneNodes(
    opened,
    losses.map(({ node }) => node),
  )
}

function checkTrainable(nodes: readonly TrainingNode[], trainable: readonly string[]): void {
  const known = new Set(nodes.flatMap(learnable))
  const unknown = trainable.find(name => !known.has(name))
  if (unknown === undefined) return
  throw new LayermillError('PARAMETER_UNKNOWN', `${unknown} is no parameter that can learn before the losses`)
}

/** Results of a step's forward pass besides the loss. */
interface Forward {
  readonly scores: Tensor[]
  readonly statistics: Map<string, { readonly mean: Tensor; readonly variance: Tensor }>
}

/** A number whose gradient by the scores is that of the loss; the loss itself is computed from the scores in float64. */
function slopeTerm(loss: LossKind, scores: tf.Tensor, targets: tf.Tensor2D): tf.Tensor {
  const slopes = lossSlopes(loss, download(scores), download(targets))
  return tf.sum(tf.mul(scores, tf.tensor2d(slopes.data, [slopes.shape[0]!, slopes.shape[1]!])))
}

/** One trainer inside the engine thread: the parameters as last set, differentiated by TensorFlow.js. */
export class TrainerHost {
  private readonly parameters: Parameters
  /** As inference has them: batch norm joined with its convolution. */
  private readonly joined: readonly TrainingNode[]
  /** Before the first parameter that learns: computed outside of the differentiation. */
  private readonly fixed: readonly TrainingNode[]
  private readonly learning: readonly TrainingNode[]
  private readonly batchNorms: readonly string[]
  private readonly masks: ReadonlyMap<string, readonly number[]>

  constructor(private readonly params: TrainParams) {
    const { nodes, weights, losses, trainable, statistics, dropout, inputSize } = params
    const cut = cutNodes(params)
    const outputs = new Set(losses.map(({ node }) => node))
    this.joined = joinBatchNorm(cut, outputs)
    const used = joinBatchNorm(cut, outputs, ({ name }) => !this.ofBatch(name))
    checkTrainable(used, trainable)
    const withGradient = nodesWithGradient(used, new Set(trainable))
    this.fixed = used.filter(node => !withGradient.has(node.name))
    this.learning = used.filter(node => withGradient.has(node.name))
    const shapes = inferShapes(nodes, inputSize)
    const dropouts = cut.filter(node => dropout && node.op === 'dropout' && node.attributes.ratio > 0)
    this.masks = new Map(dropouts.map(({ name }) => [name, shapes.get(name)!]))
    this.batchNorms = cut.filter(({ op, name }) => op === 'batchNorm' && this.ofBatch(name)).map(({ name }) => name)
    this.parameters = new Parameters(weights, new Set([...trainable, ...statistics]))
  }

  get description(): Omit<TrainerLoaded, 'trainer'> {
    return { masks: [...this.masks], gradients: this.params.trainable, statistics: this.batchNorms }
  }

  setParameters(parameters: ReadonlyMap<string, Tensor>): void {
    this.parameters.set(parameters)
  }

  gradients({ images, labels, targets, masks }: StepParams): StepResult {
    const forward: Forward = { scores: [], statistics: new Map() }
    const gradients: Tensor[] = []
    tf.tidy(() => {
      const context = this.context(masks, forward)
      const values = this.runFixed(images, context)
      const expected = tf.tensor2d(targets.data, [targets.shape[0]!, targets.shape[1]!])
      // The parameters' own tensors are what the nodes read, so the arguments are not needed by name.
      const loss = (): tf.Scalar => this.loss(new Map(values), expected, context, forward)
      const learned = this.params.trainable.map(name => this.parameters.parameter(name))
      gradients.push(...tf.valueAndGrads(loss)(learned).grads.map(download))
    })
    const scored = this.score(forward.scores, labels, targets)
    const statistics = this.batchNorms.flatMap(name => {
      const { mean, variance } = forward.statistics.get(name)!
      return [mean, variance]
    })
    return { ...scored, tensors: [...scored.tensors, ...gradients, ...statistics] }
  }

  evaluate({ images, labels, targets }: Pick<StepParams, 'images' | 'labels' | 'targets'>): StepResult {
    const nodes = this.params.losses.map(({ node }) => node)
    const input = tf.tidy(() => uploadValue(images))
    const values = runNodes(this.joined, input, new Set(nodes), this.parameters)
    try {
      return this.score(
        nodes.map(node => download(values.get(node)!)),
        labels,
        targets,
      )
    } finally {
      tf.dispose([...values.values()])
    }
  }

  release(): void {
    this.parameters.dispose()
  }

  /** Values of the nodes that nothing learns before; in the caller's tidy. */
  private runFixed(images: Tensor, context: RuleContext): Values {
    const read = this.learning.flatMap(({ inputs }) => inputs)
    const scored = this.params.losses.map(({ node }) => node)
    const input = uploadValue(images)
    return this.fixed.every(isInput)
      ? new Map([[this.fixed[0]!.name, input]])
      : runNodes(this.fixed, input, new Set([...read, ...scored]), context)
  }

  private loss(values: Values, targets: tf.Tensor2D, context: RuleContext, forward: Forward): tf.Scalar {
    recordNodes(this.learning, values, context)
    let total: tf.Tensor = tf.scalar(0)
    for (const { node, weight, loss = softmaxLoss } of this.params.losses) {
      const scores = values.get(node)!
      forward.scores.push(download(scores))
      const term = loss.kind === 'softmax' ? tf.neg(tf.sum(tf.mul(targets, tf.logSoftmax(scores)))) : slopeTerm(loss, scores, targets)
      total = tf.add(total, tf.mul(term, weight))
    }
    return total as tf.Scalar
  }

  private context(masks: StepParams['masks'], { statistics }: Forward): RuleContext {
    const { parameters } = this
    const uploaded = new Map([...masks].map(([name, mask]) => [name, uploadValue(mask)]))
    const onStatistics: RuleContext['onStatistics'] = (node, mean, variance, count) => {
      // Chainer's running variance moves towards the one that divides by count - 1.
      const unbiased = download(variance)
      unbiased.data.forEach((value, i) => {
        unbiased.data[i] = (value * count) / Math.max(1, count - 1)
      })
      statistics.set(node, { mean: download(mean), variance: unbiased })
    }
    return {
      parameter: name => parameters.parameter(name),
      filter: name => parameters.filter(name),
      mask: name => uploaded.get(name),
      ofBatch: norm => this.ofBatch(norm),
      onStatistics,
    }
  }

  /** Whether a batch norm uses the statistics of the batch. */
  private ofBatch(norm: string): boolean {
    const { batchStatistics, storedNorms = [] } = this.params
    return batchStatistics && !storedNorms.includes(norm)
  }

  private score(scores: readonly Tensor[], labels: Int32Array, targets: Tensor): StepResult {
    const [main] = scores
    if (main === undefined) throw new LayermillError('GRAPH_INVALID', 'a trainer needs at least one loss')
    const { losses } = this.params
    const loss = losses.reduce((sum, { weight, loss: kind = softmaxLoss }, i) => sum + weight * lossSum(kind, scores[i]!, targets), 0)
    return { loss, correct: countCorrect(losses[0]!.loss ?? softmaxLoss, main, labels, targets), tensors: [main] }
  }
}
