import { baseScales, type FinetuneSpec, isFrozen, type TrainingPlan } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { mostGraphBytes } from '@layermill/engines'
import {
  findNode,
  fineTunedNetwork,
  type FineTunedNetwork,
  givesOwnSizes,
  type Network,
  learnableShapes,
  networkDescription,
  oneLayer,
  pruneNodes,
  type Size2,
} from '@layermill/models'
import { balancedClassWeights, learningRateScales, type OptimizerSpec, type Schedule } from '@layermill/training'
import { inputNumbers, ownSizes } from '../run/identity.js'
import { checkContinued, continuedClasses, continuedNetwork } from './continued-head.js'
import type { LabelledRow } from './dataset.js'
import { slicesOf } from './mixed.js'
import { plannedTarget } from './targets.js'

/** Height and width of the images that a run trains on. */
export function trainingSize(spec: FinetuneSpec, base: Network): Size2 {
  if (spec.size === 'keep') throw new LayermillError('SPEC_INVALID', 'size: got keep, expected one size for all images')
  if (givesOwnSizes(base.preparation)) throw ownSizes('training')
  return spec.size === undefined ? base.inputSize : [spec.size.height, spec.size.width]
}

/** The layer that a run cuts at. */
export function cutLayer(spec: FinetuneSpec, base: Network): string {
  const continued = continuedNetwork(spec, base)
  if (continued !== undefined) return continued.head.layer
  const layer = spec.layer ?? (spec.auxiliary ? base.classifier : base.defaultLayer)
  return base.graph === undefined ? layer : oneLayer(base, layer).name
}

/** A fine-tuned network whose head is gone on with, for these classes and those that it has. */
function continuedWith(spec: FinetuneSpec, base: FineTunedNetwork, classes: readonly string[]): FineTunedNetwork {
  const { auxiliary: _auxiliary, ...head } = base.head
  const network = fineTunedNetwork(base.base, {
    ...head,
    classes: continuedClasses(base, classes),
    ...(spec.auxiliary ? { auxiliary: true } : {}),
    inputSize: trainingSize(spec, base),
  })
  checkContinued(network, base)
  return network
}

/**
 * Refuses a graph whose weights no ONNX file of a trained model could hold.
 * @throws LayermillError `HEAD_INVALID`
 */
function checkFileSize(spec: FinetuneSpec, base: Network): void {
  const layer = base.graph === undefined ? undefined : cutLayer(spec, base)
  const bytes = layer === undefined ? 0 : base.graph!.weightBytes(layer)
  if (bytes <= mostGraphBytes) return
  throw new LayermillError('HEAD_INVALID', `${spec.model} has ${bytes} bytes of weights before ${layer}`, {
    hint: `the result is a single ONNX file, which holds at most ${mostGraphBytes}: name an earlier --layer`,
  })
}

/**
 * The network that a run trains: a new head on the base, or the base's own head where that is gone on with.
 * @throws LayermillError `LAYER_UNKNOWN`, `INPUT_SIZE`, `HEAD_INVALID`
 */
export function trainedNetwork(spec: FinetuneSpec, base: Network, classes: readonly string[]): FineTunedNetwork {
  if (base.graph !== undefined && spec.export.includes('chainer.npz')) {
    throw new LayermillError(
      'SPEC_INVALID',
      `export: got chainer.npz, but ${spec.model} is an ONNX file, whose weights Chainer has no names for`,
      {
        hint: 'leave out --export: model.onnx is written in any case',
      },
    )
  }
  checkFileSize(spec, base)
  const continued = continuedNetwork(spec, base)
  if (continued !== undefined) return continuedWith(spec, continued, classes)
  return fineTunedNetwork(base, {
    layer: cutLayer(spec, base),
    head: spec.head.map(units => ({ units, ...(spec.dropout > 0 ? { dropout: spec.dropout } : {}) })),
    classes,
    ...(spec.auxiliary ? { auxiliary: true } : {}),
    ...(spec.target === undefined || spec.target === 'class' ? {} : { target: spec.target }),
    ...(spec.targets === undefined ? {} : { slices: slicesOf(spec.targets, classes) }),
    inputSize: trainingSize(spec, base),
  })
}

/** Whether the base's output for an image is the same all through the run. */
export function baseIsFixed(spec: FinetuneSpec): boolean {
  return isFrozen(spec.base) && spec.batchNorm === 'frozen'
}

/** The public layer whose values the head reads: the cut, or where the classifier is replaced, what is nearest before it. */
export function featuresLayer(spec: FinetuneSpec, base: Network): string {
  const layer = cutLayer(spec, base)
  if (base.graph !== undefined) return layer
  const root = continuedNetwork(spec, base)?.base ?? base
  if (layer !== root.classifier) return layer
  let node = findNode(root, root.classifier).inputs[0]!
  for (;;) {
    const name = [...root.layers].find(([, target]) => target === node)?.[0]
    if (name !== undefined) return name
    node = findNode(root, node).inputs[0]!
  }
}

function runningStatistics(network: Network, scales?: ReadonlyMap<string, number>): string[] {
  const learns = (names: readonly string[]): boolean => scales === undefined || names.some(name => (scales.get(name) ?? 0) !== 0)
  return network.nodes.flatMap(node => {
    if (node.op !== 'batchNorm') return []
    const { gamma, beta, mean, variance } = node.parameters
    return learns([gamma, beta]) ? [mean, variance] : []
  })
}

/**
 * The running statistics that a run moves: none with frozen batch norm; else those of the layers that learn, and of all where the whole
 * base is frozen and only its statistics are to follow the images.
 * @throws LayermillError `SPEC_INVALID` where they are to move and there are none
 */
export function movingStatistics(spec: FinetuneSpec, network: Network, scales: ReadonlyMap<string, number>): string[] {
  if (spec.batchNorm === 'frozen') return []
  const found = runningStatistics(network, isFrozen(spec.base) ? undefined : scales)
  if (found.length > 0) return found
  const why =
    runningStatistics(network).length === 0 ? `${network.id} has no batch normalisation` : 'no layer that learns has batch normalisation'
  throw new LayermillError('SPEC_INVALID', `batchNorm: got batch, expected frozen: ${why}`)
}

/** Names that each parameter goes by besides its own: its node's, and the layers' that end in that node. */
function layerNames(network: FineTunedNetwork): Map<string, readonly string[]> {
  const layers = [...network.layers]
  const below = [...(network.base.graph?.learnable(network.head.layer) ?? [])].map(([name, { modules }]) => [name, modules] as const)
  const own = network.nodes.flatMap(({ name, parameters }) => {
    const names = [name, ...layers.filter(([, node]) => node === name).map(([layer]) => layer)]
    return Object.values<string>(parameters ?? {}).map(parameter => [parameter, names] as const)
  })
  return new Map([...below, ...own])
}

/**
 * Learning-rate factors of all parameters that could learn.
 * @throws LayermillError `SCALE_INVALID`
 */
export function parameterScales(spec: FinetuneSpec, network: FineTunedNetwork): Map<string, number> {
  const fixed = new Set(runningStatistics(network))
  const isNew = new Set(network.newNodes.flatMap(name => Object.values<string>(findNode(network, name).parameters ?? {})))
  const old = [...learnableShapes(network).keys()].filter(name => !fixed.has(name) && !isNew.has(name))
  // The first match wins, so what is for all others comes last.
  const { '*': others = 0, ...table } = baseScales(spec.base)
  const names = layerNames(network)
  const scales = learningRateScales(old, { ...table, '*': others }, parameter => names.get(parameter) ?? [])
  return new Map([...learnableShapes(network).keys()].filter(name => !fixed.has(name)).map(name => [name, scales.get(name) ?? 1]))
}

/**
 * Weights of the classes in the loss; undefined where all are 1.
 * @throws LayermillError `CLASS_UNKNOWN`
 */
export function classWeights(spec: FinetuneSpec, classes: readonly string[], rows: readonly LabelledRow[]): number[] | undefined {
  if (spec.classWeights === 'none' || spec.targets !== undefined) return undefined
  if (spec.classWeights === 'balanced') {
    if (spec.target === 'multi-label') return undefined
    return balancedClassWeights(
      rows.map(({ label }) => classes.indexOf(label)),
      classes.length,
    )
  }
  const table = spec.classWeights
  const unknown = Object.keys(table).find(name => !classes.includes(name))
  if (unknown !== undefined)
    throw new LayermillError(
      'CLASS_UNKNOWN',
      `classWeights: no image is of the class ${unknown}; the classes are ${classes.slice(0, 20).join(', ')}`,
    )
  return classes.map(name => table[name] ?? 1)
}

export function optimizerSpec(spec: FinetuneSpec): OptimizerSpec {
  const clip = spec.gradientClip === undefined ? {} : { clipNorm: spec.gradientClip }
  if (spec.optimizer === 'momentum')
    return { kind: 'momentum', lr: spec.learningRate, momentum: spec.momentum, weightDecay: spec.weightDecay, ...clip }
  const { beta1, beta2, epsilon: eps, learningRate: alpha } = spec
  const decay = spec.optimizer === 'adamw' ? { weight_decay_rate: spec.weightDecay } : { weightDecay: spec.weightDecay }
  return { kind: spec.optimizer, alpha, beta1, beta2, eps, ...decay, ...clip }
}

export function scheduleOf({ schedule, warmupEpochs: warmup, epochs }: FinetuneSpec): Schedule {
  switch (schedule.kind) {
    case 'constant':
      return { kind: 'constant', warmup }
    case 'cosine':
      return { kind: 'cosine', final: schedule.floor, warmup }
    case 'step': {
      const { everyEpochs, factor } = schedule
      const count = Math.ceil(epochs / everyEpochs) - 1
      return { kind: 'step', epochs: Array.from({ length: count }, (_, i) => (i + 1) * everyEpochs), gamma: factor, warmup }
    }
  }
}

export interface PlanInput {
  readonly run: string
  readonly spec: FinetuneSpec
  readonly base: Network
  readonly classes: readonly string[]
  readonly training: readonly LabelledRow[]
  readonly validation: readonly LabelledRow[]
  readonly datasetSha256: string
}

/**
 * The plan of a run: what its numbers follow from.
 * @throws LayermillError as `trainedNetwork`, `parameterScales`, `classWeights` and `movingStatistics` do
 */
export function trainingPlan({ run, spec, base, classes: found, training, validation, datasetSha256 }: PlanInput): TrainingPlan {
  const network = trainedNetwork(spec, base, found)
  const classes = network.classNames ?? found
  const [height, width] = network.inputSize
  const features = baseIsFixed(spec) ? featuresLayer(spec, base) : undefined
  const before = features === undefined ? [] : pruneNodes(network.nodes, [network.layers.get(features)!])
  const weights = classWeights(spec, classes, training)
  const target = plannedTarget(spec, classes, training)
  const scales = parameterScales(spec, network)
  return {
    version: 1,
    run,
    network: networkDescription(network),
    inputSize: { height, width },
    resample: spec.resample ?? base.preparation.resample,
    autoOrient: spec.autoOrient,
    ...(spec.maxBytes === undefined && spec.imageTimeout === undefined
      ? {}
      : { limits: { maxBytes: spec.maxBytes, imageTimeout: spec.imageTimeout } }),
    input: inputNumbers(base),
    classes: [...classes],
    trainable: [...scales].filter(([, scale]) => scale !== 0).map(([name]) => name),
    statistics: movingStatistics(spec, network, scales),
    batchNorm: spec.batchNorm,
    auxiliaryWeight: spec.auxiliary ? 0.3 : 0,
    dropoutOff: before.filter(({ op }) => op === 'dropout').map(({ name }) => name),
    ...(features === undefined ? {} : { features }),
    seed: spec.seed,
    batchSize: spec.batchSize,
    microBatch: spec.microBatch,
    ...(spec.sampling === 'balanced' ? { sampling: 'balanced' } : {}),
    augment: [...spec.augment],
    ...(features !== undefined && spec.augment.length > 0 ? { augmentCopies: spec.augmentCopies } : {}),
    ...(weights === undefined || target !== undefined ? {} : { classWeights: weights }),
    ...(target === undefined ? {} : { target }),
    labelSmoothing: spec.labelSmoothing,
    exchange: spec.exchange,
    images: { training: training.length, validation: validation.length },
    datasetSha256,
  }
}
