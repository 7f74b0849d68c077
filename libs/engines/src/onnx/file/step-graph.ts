import { elementCount, LayermillError } from '@layermill/core'
import { type FineTunedNetwork, isFineTuned, type Size2 } from '@layermill/models'
import { type BatchKind, float, float16, type Forward, type NodeDef, type OnnxNetwork } from '@layermill/onnx'
import type { LoweredTraining } from '../backward/lower.js'
import { type Dims, graphGradients, withoutGradient } from '../gradients/index.js'
import type { OnnxAttribute, OnnxInitializer, OnnxNode, OnnxValueInfo } from '../graph.js'
import { initializerProto, nodeProto, opset, valueInfoProto } from '../proto.js'
import { type HeadBase, headBase, type HeadGraph, headGraph, headParameters } from './head-graph.js'
import type { TensorMap } from '@layermill/core'
import { type LossKind, targetWidth } from '../../trainer.js'
import { lossGradient, type Operators } from '../trainer-loss.js'

/** A training step, or a scoring, as a model that the runtime loads. */
export interface GraphStep {
  readonly model: Uint8Array
  readonly lowered: Omit<LoweredTraining, 'graph'>
}

export interface StepOptions {
  /** Parameters that learn, of the head and of the file. */
  readonly trainable: readonly string[]
  /** The head's parameters. */
  readonly weights: TensorMap
  readonly inputSize: Size2
  readonly batch: BatchKind
  readonly loss: LossKind
}

const targetsInput = 'layermill.targets'

const attributeOf = (attribute: NodeDef['attributes'] extends ReadonlyMap<string, infer A> ? A : never): OnnxAttribute | undefined => {
  const { kind, numbers, text } = attribute
  switch (kind) {
    case 'int':
    case 'float':
      return { kind, value: numbers[0] ?? 0 }
    case 'ints':
    case 'floats':
      return { kind, value: numbers }
    case 'string':
      return { kind, value: text }
    default:
      return undefined
  }
}

/** A node of the file as the rules see it. Operators of other domains are known by none of them. */
export function plainNode({ op, domain, inputs, outputs, attributes }: NodeDef): OnnxNode {
  const known = [...attributes].flatMap(([name, attribute]) => {
    const value = attributeOf(attribute)
    return value === undefined ? [] : [[name, value] as const]
  })
  return { op: domain === '' ? op : `${domain}.${op}`, inputs, outputs, attributes: Object.fromEntries(known) }
}

const refused = (model: string, reason: string, hint: string): LayermillError =>
  new LayermillError('ONNX_UNSUPPORTED', `${model}: ${reason}`, { hint })

/** Makes the graphs of one network on an ONNX file. */
export class StepBuilder {
  private readonly base: HeadBase
  private readonly forward: Forward
  private readonly values: string[]

  /** @throws LayermillError `ONNX_UNSUPPORTED` where the file has operators too old to be trained */
  constructor(
    private readonly network: FineTunedNetwork,
    private readonly options: StepOptions,
  ) {
    const base = headBase(network)
    if (base === undefined) throw new LayermillError('GRAPH_INVALID', `${network.id} is not on an ONNX file`)
    this.base = base
    this.values = [base.layer.value]
    this.forward = base.model.forward(this.cutOptions)
  }

  private get cutOptions() {
    return { values: this.values, batch: this.options.batch, size: this.options.inputSize, upgraded: true }
  }

  /** Parameters of the file that learn. */
  private get below(): string[] {
    return this.options.trainable.filter(name => this.base.model.graph.initializers.has(name))
  }

  private head(dropout: boolean): HeadGraph {
    const { network, base } = this
    const { inputSize: size } = this.options
    return headGraph(network, { base, size, opset, halves: false, dropout, end: network.classifier })
  }

  /** Scores of images, with the parameters that learn as inputs. */
  async scoring(): Promise<GraphStep> {
    const head = this.head(false)
    return this.model(head, { nodes: [], initializers: new Map(), gradients: new Map() })
  }

  /**
   * Scores and the gradients of the losses' sum.
   * @throws LayermillError `ONNX_UNSUPPORTED` with the operators whose gradients are not known
   */
  async training(): Promise<GraphStep> {
    const head = this.head(true)
    const scores = head.values.get(this.network.classifier)!
    const nodes = [...this.forward.nodes.map(plainNode), ...head.nodes]
    const { trainable } = this.options
    this.checkOperators(nodes, scores)
    const seed = this.seed(scores)
    const dims = (value: string): Dims => this.dims(value, head)
    const made = this.differentiated(() =>
      graphGradients(
        { nodes, dims, integers: value => this.integers(value, head), isLogical: value => this.forward.isLogical(value) },
        new Map([[scores, seed.output]]),
        trainable,
      ),
    )
    const named = trainable.map(name => [name, `layermill.gradient/${name}`] as const)
    const given = named.flatMap(([name, output]): OnnxNode[] => {
      const gradient = made.gradients.get(name)
      if (gradient !== undefined) return [{ op: 'Identity', inputs: [gradient], outputs: [output] }]
      // Nothing depends on it.
      const shape = `${output}/shape`
      return [
        { op: 'Shape', inputs: [name], outputs: [shape] },
        { op: 'ConstantOfShape', inputs: [shape], outputs: [output] },
      ]
    })
    return this.model(head, {
      nodes: [...seed.nodes, ...made.nodes, ...given],
      initializers: new Map([...seed.initializers, ...made.initializers]),
      gradients: new Map(named),
    })
  }

  private checkOperators(nodes: readonly OnnxNode[], scores: string): void {
    const missing = withoutGradient(nodes, this.options.trainable, [scores])
    if (missing.length === 0) return
    throw refused(
      this.base.model.path,
      `there are no gradients of ${missing.join(', ')}, which ${missing.length === 1 ? 'lies' : 'lie'} between what learns and the head`,
      'let only layers behind them learn (--base with a table), cut before them (--layer), or leave out --base: a frozen base needs none',
    )
  }

  private differentiated<Result>(action: () => Result): Result {
    try {
      return action()
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      throw refused(this.base.model.path, error.message, freeze)
    }
  }

  /** The gradient of the loss with respect to the scores. */
  private seed(scores: string): { output: string; nodes: OnnxNode[]; initializers: Map<string, OnnxInitializer> } {
    const nodes: OnnxNode[] = []
    const initializers = new Map<string, OnnxInitializer>()
    const name = (): string => `layermill.loss/${nodes.length}/${initializers.size}`
    const constant = (tensor: OnnxInitializer): string => {
      const own = `${name()}/constant`
      initializers.set(own, tensor)
      return own
    }
    const graph: Operators = {
      op: (op, inputs, attributes) => {
        const outputs = [name()]
        nodes.push({ op, inputs, outputs, ...(attributes === undefined ? {} : { attributes }) })
        return outputs[0]!
      },
      ints: (...data) => constant({ type: 'int64', shape: [data.length], data }),
      floats: values =>
        typeof values === 'number'
          ? constant({ type: 'float32', shape: [], data: Float32Array.of(values) })
          : constant({ type: 'float32', shape: [values.length], data: values }),
    }
    const output = lossGradient(this.options.loss, scores, targetsInput, this.network.classes, graph)
    return { output, nodes, initializers }
  }

  private dims(value: string, head: HeadGraph): Dims {
    const own = head.shapes.get(value)
    if (own !== undefined) return [undefined, ...own]
    const parameter = this.options.weights.get(value) ?? head.initializers.get(value)
    if (parameter !== undefined) return parameter.shape
    const found = this.forward.dims(value)
    if (found === undefined) throw new RangeError(`the shape of ${value} is not known`)
    return found
  }

  private integers(value: string, head: HeadGraph): readonly number[] | undefined {
    const own = head.initializers.get(value)
    return own?.type === 'int64' ? own.data : this.forward.integers(value)
  }

  private async model(
    head: HeadGraph,
    step: Pick<LoweredTraining, 'gradients'> & { nodes: readonly OnnxNode[]; initializers: ReadonlyMap<string, OnnxInitializer> },
  ): Promise<GraphStep> {
    const { network, base, below } = this
    const { model } = base
    const { trainable, weights } = this.options
    const learns = new Set(trainable)
    const halves = new Map([...(await model.halves(this.cutOptions))].filter(([name]) => !learns.has(name)))
    const replaced = new Map([...halves].map(([name, { data }]) => [name, data] as const))
    const contents = await model.contents(this.cutOptions, new Set([...below, ...replaced.keys()]))
    const scores = head.values.get(network.classifier)!
    const isTraining = step.gradients.size > 0
    const parameters = headParameters(network, weights)
    const inputs: OnnxValueInfo[] = [
      ...(isTraining ? [{ name: targetsInput, shape: ['N', targetWidth(this.options.loss, network.classes)] }] : []),
      ...[...head.masks.values()].map(({ input, shape }) => ({ name: input, shape: ['N', ...shape] })),
      ...[...parameters].filter(([name]) => learns.has(name)).map(([name, { shape }]) => ({ name, shape })),
    ]
    const outputs: OnnxValueInfo[] = [
      { name: scores, shape: ['N', network.classes] },
      ...[...step.gradients].map(([name, output]) => ({ name: output, shape: this.shapeOf(name) })),
    ]
    const constants = [...head.initializers, ...step.initializers, ...[...parameters].filter(([name]) => !learns.has(name))]
    const cut = model.cut(this.cutOptions, {
      nodes: [...head.nodes, ...step.nodes].map(nodeProto),
      initializers: constants.map(([name, tensor]) => initializerProto(name, tensor)),
      inputs: inputs.map(valueInfoProto),
      outputs: outputs.map(valueInfoProto),
      opened: new Set(below),
      replaced,
      contents,
      float32: true,
      opset: Math.max(opset, model.opset),
    })
    return {
      model: cut.model,
      lowered: {
        input: model.image.name,
        targets: targetsInput,
        masks: head.masks,
        scores: new Map([[network.classifier, scores]]),
        gradients: step.gradients,
        statistics: new Map(),
      },
    }
  }

  private shapeOf(name: string): readonly number[] {
    return this.options.weights.get(name)?.shape ?? this.base.model.graph.initializers.get(name)!.dims
  }

  /** How images are fed: a file of float16 is computed in float32. */
  get image(): { readonly name: string; readonly layout: 'nchw' | 'nhwc'; readonly type: number } {
    const { name, layout, type } = this.base.model.image
    return { name, layout, type: type === float16 ? float : type }
  }
}

const freeze = 'leave out --base: a head on a frozen base is trained on any file'

/** Facts on training the tensors of a file before a layer. */
export interface Trainability {
  /** Tensors that can learn. */
  readonly tensors: number
  /** Numbers in them. */
  readonly numbers: number
  /** Operators without a gradient between them and the layer: while there are some, only what is behind all of them learns. */
  readonly missing: readonly string[]
}

/** Tensors of an ONNX file that can be trained before a layer, as far as its operators tell. */
export function trainabilityOf(network: OnnxNetwork, layer: string): Trainability {
  const learnable = network.graph.learnable(layer)
  const values = network.graph.resolve(layer).map(({ value }) => value)
  const { nodes } = network.graph.model.forward({ values, batch: 'fixed' })
  const missing = withoutGradient(nodes.map(plainNode), [...learnable.keys()], values)
  const numbers = [...learnable.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0)
  return { tensors: learnable.size, numbers, missing }
}

/** The network of an ONNX file below a fine-tuned one, where the trainer is to compute it: its values are not given. */
export const trainsGraph = (network: { readonly id: string }, start: string | undefined): network is FineTunedNetwork =>
  start === undefined && isFineTuned(network as FineTunedNetwork) && headBase(network as FineTunedNetwork) !== undefined
