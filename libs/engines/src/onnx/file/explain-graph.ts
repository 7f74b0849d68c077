import { LayermillError, type Tensor } from '@layermill/core'
import { namedLayers, type Size2 } from '@layermill/models'
import { float16, type OnnxNetwork, uint8 } from '@layermill/onnx'
import type { Explainer, ExplainerOptions, Explanation } from '../../explainer.js'
import type { ThreadClient } from '../../thread/client.js'
import { buffersOf } from '../../thread/transfer.js'
import { checkImages } from '../check-images.js'
import { type Dims, graphGradients, withoutGradient } from '../gradients/index.js'
import { int, type OnnxInitializer, type OnnxNode, type OnnxValueInfo } from '../graph.js'
import { initializerProto, nodeProto, opset, valueInfoProto } from '../proto.js'
import { imageFeed } from './extractor.js'
import { rowOf, stackRows } from './rows.js'
import type { GraphParams } from './protocol.js'
import { plainNode } from './step-graph.js'

const name = (part: string): string => `layermill.explain/${part}`
const seedInput = name('seed')
const highestInput = name('highest')

interface ExplainGraph {
  readonly params: GraphParams
  readonly classes: number
}

/** The seed that is given, and 1 at the highest score of each image where it is asked for. */
function seeding(scores: string, classes: number): { nodes: OnnxNode[]; initializers: Map<string, OnnxInitializer> } {
  const nodes: OnnxNode[] = [
    { op: 'ArgMax', inputs: [scores], outputs: [name('index')], attributes: { axis: int(1), keepdims: int(0) } },
    { op: 'OneHot', inputs: [name('index'), name('depth'), name('values')], outputs: [name('at')], attributes: { axis: int(-1) } },
    { op: 'Mul', inputs: [name('at'), highestInput], outputs: [name('asked')] },
    { op: 'Add', inputs: [name('asked'), seedInput], outputs: [name('weights')] },
  ]
  const initializers = new Map<string, OnnxInitializer>([
    [name('depth'), { type: 'int64', shape: [1], data: [classes] }],
    [name('values'), { type: 'float32', shape: [2], data: Float32Array.of(0, 1) }],
  ])
  return { nodes, initializers }
}

const refused = (network: OnnxNetwork, reason: string): LayermillError =>
  new LayermillError('ONNX_UNSUPPORTED', `${network.id}: ${reason}`, { hint: '--method occlusion needs no gradients' })

/** The value of the scores: what goes into the softmax where the file ends with one, since probabilities have other gradients. */
function scoresOf(network: OnnxNetwork): string {
  const { graph } = network.graph.model
  if (network.classifier === '') throw refused(network, 'it has no scores of classes')
  const [found] = namedLayers(network, [network.classifier])
  const made = graph.nodes[graph.producers.get(found!.value) ?? -1]
  return made?.op === 'Softmax' ? made.inputs[0]! : found!.value
}

/** Sides for the file: those that are not known have names. */
const named = (dims: Dims, output: number): (number | string)[] => dims.map((side, axis) => side ?? name(`side/${output}/${axis}`))

/**
 * A graph of scores, values of layers and their gradients, from images one at a time.
 * @throws LayermillError `ONNX_UNSUPPORTED` with the operators that have no gradient here
 */
async function explainGraph(network: OnnxNetwork, values: readonly string[], size: Size2): Promise<ExplainGraph> {
  const { model } = network.graph
  if (model.image.layout !== 'nchw' || model.image.type === uint8)
    throw refused(network, 'its images are no real numbers with channels first, and its maps may have theirs last')
  const scores = scoresOf(network)
  const batch = model.kindOfOne
  const options = { values: [...new Set([scores, ...values])], batch, size, upgraded: true }
  const forward = model.forward(options)
  const nodes = forward.nodes.map(plainNode)
  const wanted = [...values, model.image.name]
  const missing = withoutGradient(nodes, wanted, [scores])
  if (missing.length > 0) throw refused(network, `there are no gradients of ${missing.join(', ')}, which lie before the scores`)
  const dims = (value: string): Dims => {
    const found = forward.dims(value)
    if (found === undefined) throw refused(network, `the shape of ${value} is not known`)
    return found
  }
  /** Of scores and values, then of the gradients, which are as large as what they are of. */
  const dimsOfOutput = (i: number): Dims => dims(i <= values.length ? [scores, ...values][i]! : wanted[i - 1 - values.length]!)
  const seed = seeding(scores, network.classes)
  let made: ReturnType<typeof graphGradients>
  try {
    const given = {
      nodes,
      dims,
      integers: (value: string) => forward.integers(value),
      isLogical: (value: string) => forward.isLogical(value),
    }
    made = graphGradients(given, new Map([[scores, name('weights')]]), wanted)
  } catch (error) {
    if (error instanceof RangeError) throw refused(network, error.message)
    throw error
  }
  const apart = values.find(value => !made.gradients.has(value))
  if (apart !== undefined) throw new LayermillError('LAYER_UNKNOWN', `the scores of ${network.id} do not depend on ${apart}`)
  const outputs = [scores, ...values, ...wanted.map(value => made.gradients.get(value)!)]
  // An output of its own for each, since a graph gives each name once.
  const given = outputs.map((value, i): OnnxNode => ({ op: 'Identity', inputs: [value], outputs: [name(`output/${i}`)] }))
  const halves = await model.halves(options)
  const replaced = new Map([...halves].map(([key, { data }]) => [key, data] as const))
  const contents = await model.contents(options, new Set(replaced.keys()))
  const inputs: OnnxValueInfo[] = [
    { name: seedInput, shape: ['N', network.classes] },
    { name: highestInput, shape: [1] },
  ]
  const cut = model.cut(options, {
    nodes: [...seed.nodes, ...made.nodes, ...given].map(nodeProto),
    initializers: [...seed.initializers, ...made.initializers].map(([key, tensor]) => initializerProto(key, tensor)),
    inputs: inputs.map(valueInfoProto),
    outputs: given.map(({ outputs: [output] }, i) => valueInfoProto({ name: output!, shape: named(dimsOfOutput(i), i) })),
    replaced,
    contents,
    float32: true,
    opset: Math.max(opset, model.opset),
  })
  const feed = imageFeed(model)
  return {
    params: {
      cut: { ...cut, weights: [], weightBytes: 0, outputs: given.map(({ outputs: [output] }) => output!) },
      image: { ...feed, type: model.image.type === float16 ? 'float32' : feed.type },
    },
    classes: network.classes,
  }
}

/** Explains scores of a network that is an ONNX file, one image at a time: batches of files have to be proven, and nobody waits for these. */
export class GraphExplainer implements Explainer {
  private releasing: Promise<void> | undefined

  private constructor(
    private readonly client: ThreadClient,
    readonly layers: readonly string[],
    private readonly size: Size2,
    readonly classes: number,
    private readonly session: number,
  ) {}

  /** @throws LayermillError `ONNX_UNSUPPORTED`, `LAYER_UNKNOWN`, `LAYER_AMBIGUOUS`, `INPUT_SIZE` */
  static async open(client: ThreadClient, network: OnnxNetwork, options: ExplainerOptions): Promise<GraphExplainer> {
    const { layers, inputSize = network.inputSize } = options
    const found = namedLayers(network, layers)
    const graph = await explainGraph(
      network,
      found.map(({ value }) => value),
      inputSize,
    )
    const { session } = await client.request('loadGraph', graph.params)
    return new GraphExplainer(
      client,
      found.map(({ name: layer }) => layer),
      inputSize,
      graph.classes,
      session,
    )
  }

  async explain(images: Tensor, classes?: Int32Array): Promise<Explanation> {
    if (this.releasing !== undefined) throw new LayermillError('ENGINE_CLOSED', 'this explainer has been released')
    checkImages(images, this.size)
    const count = images.shape[0]!
    if (classes !== undefined && classes.length !== count)
      throw new LayermillError('INPUT_SHAPE', `${classes.length} classes for ${count} images`)
    const wrong = classes?.find(label => label < 0 || label >= this.classes)
    if (wrong !== undefined) throw new LayermillError('LABEL_INVALID', `class ${wrong}; expected 0 to ${this.classes - 1}`)
    const rows: Tensor[][] = []
    for (let i = 0; i < count; i++) rows.push(await this.one(rowOf(images, i), classes?.[i]))
    const stacked = rows[0]!.map((_, k) => stackRows(rows.map(row => row[k]!)))
    const { length } = this.layers
    return {
      scores: stacked[0]!,
      values: new Map(this.layers.map((layer, i) => [layer, stacked[1 + i]!])),
      gradients: new Map(this.layers.map((layer, i) => [layer, stacked[1 + length + i]!])),
      inputGradient: stacked.at(-1)!,
    }
  }

  release(): Promise<void> {
    this.releasing ??= this.client.free('release', { session: this.session })
    return this.releasing
  }

  private async one(image: Tensor, label: number | undefined): Promise<Tensor[]> {
    const seed = new Float32Array(this.classes)
    if (label !== undefined) seed[label] = 1
    const inputs = new Map<string, Tensor>([
      [seedInput, { shape: [1, this.classes], data: seed }],
      [highestInput, { shape: [1], data: Float32Array.of(label === undefined ? 1 : 0) }],
    ])
    // Others of the batch lie in the same memory.
    const images = { shape: image.shape, data: image.data.slice() }
    const { tensors } = await this.client.request('run', { session: this.session, images, inputs }, buffersOf([images]))
    return [...tensors]
  }
}
