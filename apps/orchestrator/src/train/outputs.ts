import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportGraph, exportOnnx } from '@layermill/engines'
import type { FinetuneSpec, RunRecord, TrainingPlan } from '@layermill/contracts'
import type { TensorMap } from '@layermill/core'
import type { FineTunedNetwork } from '@layermill/models'
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

/** Metadata that a reader of `model.onnx` needs: the preparation of its input, its outputs, and the classes in the order of the scores. */
function onnxMetadata({ plan, network }: OutputsInput, outputs: ReadonlyMap<string, string>): Record<string, string> {
  const { resample, autoOrient, classes } = plan
  return {
    'layermill.network': network.id,
    'layermill.preparation': JSON.stringify(preparationDescription({ network, resample, autoOrient })),
    'layermill.scores': outputs.get(network.classifier)!,
    'layermill.probabilities': outputs.get(network.probabilities)!,
    'layermill.classes': JSON.stringify(classes),
  }
}

/** Writes a model on an ONNX file: `model.onnx`, which is all of it, then `model.json`. */
async function writeOnGraph(store: Store, input: OutputsInput): Promise<void> {
  const { plan, network, tensors } = input
  const { model } = await exportGraph(network, tensors, {
    inputSize: network.inputSize,
    metadata: outputs => onnxMetadata(input, outputs),
  })
  await store.put(modelGraphFile, model)
  const sha256 = createHash('sha256').update(model).digest('hex')
  const described = { classes: plan.classes, resample: plan.resample, autoOrient: plan.autoOrient, lineage: lineageOf(input) }
  await writeGraphModel(store, { network, ...described, metrics: metricsOf(input) }, sha256)
}

/**
 * Writes the model in every form that the spec asks for, at the same time; `model.json`, which makes it exist, when all of them are there.
 */
export async function writeModel(store: Store, input: OutputsInput): Promise<void> {
  const { record, plan, network, tensors } = input
  if (network.base.graph !== undefined) return writeOnGraph(store, input)
  const spec = record.spec as FinetuneSpec
  const { inputSize, probabilities } = network
  const layers = [...new Set([network.classifier, probabilities])]
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
    tensors,
    resample: plan.resample,
    autoOrient: plan.autoOrient,
    lineage: lineageOf(input),
    metrics: metricsOf(input),
  })
}
