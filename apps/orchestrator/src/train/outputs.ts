import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportGraph, exportOnnx } from '@layermill/engines'
import type { FinetuneSpec, RunRecord, TrainingPlan } from '@layermill/contracts'
import type { Tensor, TensorMap } from '@layermill/core'
import { findNode, type FineTunedNetwork, type HeadSlice } from '@layermill/models'
import { foldTargets } from '@layermill/training'
import {
  modelFile,
  modelGraphFile,
  type ModelFiles,
  preparationDescription,
  type WeightSet,
  writeGraphModel,
  writeModelFolder,
  writeNpz,
} from '@layermill/weights'
import type { Store } from '@layermill/storage'
import type { Evaluation, MetricsLine } from './metrics-line.js'

export interface OutputsInput {
  readonly record: RunRecord
  readonly plan: TrainingPlan
  readonly network: FineTunedNetwork
  readonly base: WeightSet
  /** All parameters of the network. */
  readonly tensors: TensorMap
  readonly lines: readonly MetricsLine[]
  readonly best: Evaluation | undefined
}

/** The spec as it is shown: where images came from and all settings, without what only this machine knows. */
function shownSpec({ out: _out, overwrite: _overwrite, plan: _plan, ...spec }: FinetuneSpec): Record<string, unknown> {
  return spec
}

export function lineageOf({ record, plan, base }: Pick<OutputsInput, 'record' | 'plan' | 'base'>): Record<string, unknown> {
  const spec = record.spec as FinetuneSpec
  return {
    run: record.id,
    created: record.created,
    base: { model: spec.model, weights: base.source, sha256: base.sha256 },
    dataset: {
      source: spec.source,
      sha256: plan.datasetSha256,
      training: plan.images.training,
      validation: plan.images.validation,
      failed: record.counts.failed,
    },
    spec: shownSpec(spec),
    versions: record.versions,
  }
}

/** The epoch that the model is of, in numbers. */
export function metricsOf({ lines, best }: Pick<OutputsInput, 'lines' | 'best'>): Record<string, unknown> {
  const line = lines.find(({ epoch }) => epoch === best?.epoch) ?? lines.at(-1)
  return {
    epochs: lines.length,
    ...(line === undefined ? {} : { epoch: line.epoch, training: line.training, validation: line.validation }),
  }
}

async function npzBytes(tensors: TensorMap): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'layermill-npz-'))
  try {
    const path = join(folder, 'chainer.npz')
    await writeNpz(path, tensors)
    return await readFile(path)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * Probabilities above which labels are given, chosen on the held-out images, by output; undefined where there were none, or no target has
 * several labels.
 */
function thresholdsOf(best: Evaluation | undefined): number[] | undefined {
  const heads = best?.summary.heads
  if (heads === undefined) return best?.summary.labels?.perClass.map(({ threshold }) => threshold)
  if (heads.every(({ labels }) => labels === undefined)) return undefined
  return heads.flatMap(({ classes, labels }) => classes.map((_, k) => labels?.perClass[k]?.threshold ?? 0.5))
}

/** All parameters, with a last layer that gives numbers themselves where standardised ones were learned. */
function servedTensors({ plan, network, tensors }: OutputsInput): TensorMap {
  const { target } = plan
  if (target?.kind !== 'regression' && target?.kind !== 'mixed') return tensors
  const { weight, bias } = findNode(network, network.classifier).parameters as { weight: string; bias: string }
  const copy = (name: string): Tensor => ({ shape: tensors.get(name)!.shape, data: tensors.get(name)!.data.slice() })
  const folded = new Map([weight, bias].map(name => [name, copy(name)]))
  const heads = target.kind === 'mixed' ? target.heads : [{ classes: plan.classes, target }]
  let from = 0
  for (const { classes, target: own } of heads) {
    const to = from + classes.length
    if (own.kind === 'regression') foldTargets(rowsOf(folded.get(weight)!, from, to), rowsOf(folded.get(bias)!, from, to), own)
    from = to
  }
  return new Map([...tensors, ...folded])
}

/** Rows `from` to before `to` of a tensor, in its memory. */
function rowsOf({ shape: [rows, ...shape], data }: Tensor, from: number, to: number): Tensor {
  const size = data.length / rows!
  return { shape: [to - from, ...shape], data: data.subarray(from * size, to * size) }
}

/** Metadata that a reader of `model.onnx` needs: the preparation of its input, its outputs, and the classes in the order of the scores. */
function onnxMetadata({ plan, network, best }: OutputsInput, outputs: ReadonlyMap<string, string>): Record<string, string> {
  const thresholds = thresholdsOf(best)
  const { resample, autoOrient, classes } = plan
  return {
    'layermill.network': network.id,
    'layermill.preparation': JSON.stringify(preparationDescription({ network, resample, autoOrient })),
    'layermill.scores': outputs.get(network.classifier)!,
    'layermill.probabilities': outputs.get(network.probabilities)!,
    'layermill.classes': JSON.stringify(classes),
    ...(plan.target === undefined ? {} : { 'layermill.target': plan.target.kind }),
    ...(network.head.slices === undefined ? {} : { 'layermill.heads': headsText(network.head.slices, network, outputs) }),
    ...(thresholds === undefined ? {} : { 'layermill.thresholds': JSON.stringify(thresholds) }),
    ...(network.base.graph === undefined ? {} : { 'layermill.head': headText(network) }),
  }
}

/** Several targets: each with the name of its output. */
const headsText = (slices: readonly HeadSlice[], { answers }: FineTunedNetwork, outputs: ReadonlyMap<string, string>): string =>
  JSON.stringify(slices.map((slice, i) => ({ ...slice, output: outputs.get(answers[i]!) })))

/** A head on an ONNX file, as the file that goes on with it reads it. */
function headText({ head: { layer, head = [] }, nodes }: FineTunedNetwork): string {
  const tensors = nodes.flatMap(node => (node.op === 'linear' ? [node.parameters.weight, node.parameters.bias] : []))
  return JSON.stringify({ layer, head, tensors })
}

/** Writes a model on an ONNX file: `model.onnx`, which is all of it, then `model.json`. */
async function writeOnGraph(store: Store, input: OutputsInput): Promise<void> {
  const { plan, network } = input
  const tensors = servedTensors(input)
  const { model } = await exportGraph(network, tensors, {
    inputSize: network.inputSize,
    metadata: outputs => onnxMetadata(input, outputs),
  })
  await store.put(modelGraphFile, model)
  const sha256 = createHash('sha256').update(model).digest('hex')
  const described = {
    classes: plan.classes,
    thresholds: thresholdsOf(input.best),
    resample: plan.resample,
    autoOrient: plan.autoOrient,
    lineage: lineageOf(input),
  }
  await writeGraphModel(store, { network, ...described, metrics: metricsOf(input) }, sha256)
}

/**
 * Writes the model in every form that the spec asks for, at the same time; `model.json`, which makes it exist, when all of them are there.
 */
export async function writeModel(store: Store, input: OutputsInput): Promise<void> {
  const { record, plan, network, best } = input
  const tensors = servedTensors(input)
  if (network.base.graph !== undefined) return writeOnGraph(store, input)
  const spec = record.spec as FinetuneSpec
  const { inputSize, probabilities, answers } = network
  const layers = [...new Set([network.classifier, ...answers, probabilities])]
  const others = Promise.all([
    (async () =>
      store.put(
        'model.onnx',
        exportOnnx(network, tensors, layers, { inputSize, metadata: outputs => onnxMetadata(input, outputs) }).model,
      ))(),
    (async () => spec.export.includes('chainer.npz') && store.put('chainer.npz', await npzBytes(tensors)))(),
  ])
  // Waited for below, where an error is thrown in its turn.
  others.catch(() => undefined)
  const files: ModelFiles = {
    get: async key => store.get(key),
    put: async (key, bytes) => {
      if (key === modelFile) await others
      return store.put(key, bytes)
    },
  }
  await writeModelFolder(files, {
    network,
    classes: plan.classes,
    thresholds: thresholdsOf(best),
    tensors,
    resample: plan.resample,
    autoOrient: plan.autoOrient,
    lineage: lineageOf(input),
    metrics: metricsOf(input),
  })
}
