import { elementCount, LayermillError, lowbias32, type Tensor, type TensorMap } from '@layermill/core'
import type { FineTunedNetwork } from '@layermill/models'
import type { BatchKind } from '@layermill/onnx'
import type { ThreadClient } from '../../thread/client.js'
import { buffersOf } from '../../thread/transfer.js'
import { targetWidth, type Trainer, type TrainerOptions } from '../../trainer.js'
import { openReplicas } from '../open-replicas.js'
import type { Slice } from '../slices.js'
import { ThreadTrainer, type TrainerPlace } from '../trainer.js'
import { softmaxLoss } from '../trainer-loss.js'
import type { GraphTrainParams, TrainerLoaded } from '../trainer-protocol.js'
import { copyWeights, selectWeights } from '../weights.js'
import { feedTypes } from './extractor.js'
import { fileTensors } from './head-graph.js'
import { equalRows, rowOf } from './rows.js'
import { StepBuilder } from './step-graph.js'

/** Images that show whether a batch gives what its images give one by one. */
const trialCount = 3

/** Images of numbers that only their place decides, different from each other. */
function trialImages(shape: readonly number[]): Tensor {
  const data = Float32Array.from({ length: trialCount * elementCount(shape) }, (_, i) => (lowbias32(i + 1) >>> 8) / 2 ** 23 - 1)
  return { shape: [trialCount, ...shape], data }
}

/** Whether scores of images together are those that they have one by one. */
async function isBatched(client: ThreadClient, trainer: number, shape: readonly number[], width: number): Promise<boolean> {
  const images = trialImages(shape)
  const scores = async (some: Tensor): Promise<Tensor> => {
    const count = some.shape[0]!
    const batch = { shape: some.shape, data: some.data.slice() }
    const targets = { shape: [count, width], data: new Float32Array(count * width) }
    const labels = new Int32Array(count)
    const { tensors } = await client.request('evaluate', { trainer, images: batch, labels, targets }, buffersOf([batch, targets]))
    return tensors[0]!
  }
  const together = await scores(images)
  for (let i = 0; i < trialCount; i++) if (!equalRows(rowOf(together, i), await scores(rowOf(images, i)))) return false
  return true
}

/** Slices of one image each: what a file needs whose batch is not free. */
const oneByOne = (images: number): Slice[] => Array.from({ length: images }, (_, i) => ({ start: i, end: i + 1 }))
const whole = (images: number): Slice[] => [{ start: 0, end: images }]

function refuse(network: FineTunedNetwork, { batchNorm }: TrainerOptions): void {
  if (batchNorm !== 'batch') return
  throw new LayermillError('ONNX_UNSUPPORTED', `${network.id}: statistics of the batch are not computed for an ONNX file`, {
    hint: 'leave out --batch-norm: its stored statistics are used',
  })
}

/**
 * Makes a trainer of a network on an ONNX file whose tensors learn. Batches are computed whole where they give the scores that their images
 * have one by one, else an image at a time. See `Engine.trainer`.
 * @throws LayermillError `ONNX_UNSUPPORTED`, with the operators that have no gradient here; `PARAMETER_UNKNOWN`
 */
export async function createGraphTrainer(
  place: TrainerPlace,
  network: FineTunedNetwork,
  weights: TensorMap,
  options: TrainerOptions,
): Promise<Trainer> {
  refuse(network, options)
  const { trainable, inputSize = network.inputSize, loss = softmaxLoss } = options
  const head = selectWeights(network, network.nodes, weights)
  const below = await fileTensors(network, trainable)
  const parameters = new Map([...head, ...below])
  const unknown = trainable.find(name => !parameters.has(name))
  if (trainable.length === 0) throw new LayermillError('PARAMETER_UNKNOWN', `no parameter of ${network.id} is to learn`)
  if (unknown !== undefined) throw new LayermillError('PARAMETER_UNKNOWN', `${unknown} is no parameter of ${network.id} that can learn`)
  const input = [3, ...inputSize]
  const open = async (batch: BatchKind) => {
    const builder = new StepBuilder(network, { trainable, weights: head, inputSize, batch, loss })
    const steps = { training: await builder.training(), scoring: await builder.scoring() }
    const { type, ...image } = builder.image
    return openReplicas(place.threads, {
      count: 1,
      device: place.device,
      params: async (): Promise<GraphTrainParams> => ({
        ...steps,
        image: { ...image, type: feedTypes.get(type)! },
        weights: await copyWeights(new Map(trainable.map(name => [name, parameters.get(name)!]))),
        trainable,
        statistics: [],
        losses: [{ node: network.classifier, weight: 1, loss }],
        threads: place.cores,
      }),
    })
  }
  const targets = targetWidth(loss, network.classes)
  const made = await opened(place, open, { input, targets })
  return new ThreadTrainer(
    made.replicas,
    { loaded: made.loaded, trainable, slices: made.slices, readsShared: place.inReplicas, onReleased: place.onReleased },
    {
      input,
      classes: network.classes,
      targets,
      masks: masksOf(network, made.loaded),
      parameters: new Map(trainable.map(name => [name, parameters.get(name)!.shape])),
    },
  )
}

function masksOf(network: FineTunedNetwork, loaded: TrainerLoaded): Map<string, { ratio: number; shape: readonly number[] }> {
  const ratios = new Map(network.nodes.flatMap(node => (node.op === 'dropout' ? [[node.name, node.attributes.ratio] as const] : [])))
  return new Map(loaded.masks.map(([node, shape]) => [node, { ratio: ratios.get(node)!, shape }]))
}

type Opened = Awaited<ReturnType<typeof openReplicas>>

/** The first form of the file whose batches are right; else the file as it is, for one image at a time. */
async function opened(
  { threads }: TrainerPlace,
  open: (batch: BatchKind) => Promise<Opened>,
  { input, targets }: { readonly input: readonly number[]; readonly targets: number },
): Promise<Opened & { slices: (images: number) => Slice[] }> {
  for (const kind of ['symbolic', 'repaired'] as const) {
    // Constants that hold a batch of one may hide sizes that the gradients need, or be refused by the runtime: another form may do.
    const made = await open(kind).catch((error: unknown) => {
      if (error instanceof LayermillError && ['ENGINE_FAILED', 'ONNX_UNSUPPORTED'].includes(error.code)) return undefined
      throw error
    })
    if (made === undefined) continue
    const right = await isBatched(threads.main, made.loaded.trainer, input, targets).catch(() => false)
    if (right) return { ...made, slices: whole }
    await made.replicas.release()
  }
  return { ...(await open('fixed')), slices: oneByOne }
}
