import { readFile } from 'node:fs/promises'
import { type Device, type EngineName, openEngine } from '@layermill/engines'
import {
  answerOf,
  type ClassScore,
  type ComputedImage,
  computeRows,
  type ImageAnswer,
  loadAnyModel,
  ModelProvider,
  type PreparedRow,
  requirePreparation,
} from '@layermill/inference'
import { elementCount, LayermillError, receivedCode, type Tensor } from '@layermill/core'
import { givesOwnSizes, isFineTuned, type ModelTarget, namedLayers, type Network, preparedAs, type Size2 } from '@layermill/models'
import { isPreparationPlace, loadWeights, readPreparation } from '@layermill/weights'
import { type ImageSource, prepareImage, type Prepared, type Resample, tenCrop } from '@layermill/preprocess'

/** An image file's path or its bytes, or decoded RGB pixels. */
export type ImageInput = string | ImageSource

export interface LoadModelOptions {
  /** `imagenet` (default: the published weights), `random[:SEED]`, or a file or URL of .npz, .caffemodel, .safetensors, .h5 or .keras. */
  weights?: string
  /**
   * How images are prepared where the origin of the weights does not tell: `chainer`, `keras`, `torchvision`, `torchvision-v2`,
   * `torchvision-plain`, `transformers`, `timm:TAG`, `torchvision:WEIGHTS`, or a file or folder that says it.
   */
  prepare?: string
  engine?: EngineName
  /** Default `cpu`. */
  device?: Device | 'auto'
  /** Threads of the engine. Default: the machine's cores. */
  threads?: number
  /** Registry of models like `pets@latest`: a folder or s3://bucket/prefix. Default: LAYERMILL_REGISTRY. */
  registry?: string
  /** Names of the classes in the order of the scores. Default: those of the weights' file, ImageNet's for 1000 classes, else `class 0`. */
  labels?: readonly string[]
  /** Images computed at once. Default 8. */
  batchSize?: number
}

export interface PrepareInputOptions {
  /** Height and width of the input, or `keep`: the picture's own. Default: the network's own. */
  size?: Size2 | 'keep'
  /** Default: the network's own (bicubic in the caffe family, bilinear in torchvision's). */
  resample?: Resample
  /** `draft`: JPEGs are decoded at 1/2, 1/4 or 1/8 where that leaves twice the size needed; needs the package wasm-vips. Default `exact`. */
  decode?: 'exact' | 'draft'
}

export interface ExtractOptions extends PrepareInputOptions {
  /** Default: the network's default layer. */
  layers?: readonly string[]
}

export interface PredictOptions {
  /** Classes to give, likeliest first. Default 5. */
  top?: number
  /** Average over ten crops. Default false. */
  oversample?: boolean
}

const toSource = async (input: ImageInput): Promise<ImageSource> => (typeof input === 'string' ? await readFile(input) : input)

/** A network with its weights in an engine thread, in this process. The process exits by itself; `dispose` frees the memory at once. */
export class ImageModel {
  constructor(
    readonly network: Network,
    /** Names of the classes. */
    readonly labels: readonly string[],
    private readonly provider: ModelProvider,
    private readonly source: { readonly model: string; readonly weights: string },
    private readonly batchSize: number,
    /** Left out where its answers are one class of several. */
    readonly target?: ModelTarget,
  ) {}

  /** Chainer's layers of this network, in its order; `network.layers` has the finer ones too. */
  get availableLayers(): readonly string[] {
    return this.network.availableLayers
  }

  /**
   * One image as the network takes it: [3, H, W].
   * @throws LayermillError `IMAGE_...`
   */
  async prepare(image: ImageInput, options: PrepareInputOptions = {}): Promise<Tensor> {
    const prepared = await this.prepareSource(image, options)
    return { shape: [3, prepared.inputHeight, prepared.inputWidth], data: prepared.tensor }
  }

  /**
   * Activations of layers: for each layer one tensor [N, ...shape], in the order of the images.
   * @throws LayermillError `LAYER_UNKNOWN`, `INPUT_SIZE`, `IMAGE_...`
   */
  async extract(images: readonly ImageInput[], options: ExtractOptions = {}): Promise<Record<string, Tensor>> {
    const layers = namedLayers(this.network, options.layers ?? [this.network.defaultLayer]).map(layer => layer.name)
    const rows = await this.compute(images, layers, 1, image => this.prepareSource(image, options))
    return Object.fromEntries(layers.map(layer => [layer, stack(layer, rows)]))
  }

  /**
   * The likeliest classes of each image, likeliest first. Images are prepared at 256/224 of the network's size and cut at the centre, or
   * averaged over ten crops (`oversample`), as Chainer's `predict` does. A fine-tuned network sees the whole picture, as in training.
   * @throws LayermillError `IMAGE_...`; `HEAD_INVALID` for a model that gives numbers, or has several targets
   */
  async predict(images: readonly ImageInput[], options: PredictOptions = {}): Promise<ClassScore[][]> {
    if (this.target?.kind === 'regression')
      throw new LayermillError('HEAD_INVALID', `${this.network.id} gives numbers and knows no classes`, { hint: 'answers() gives them' })
    if (this.target?.kind === 'mixed')
      throw new LayermillError('HEAD_INVALID', `${this.network.id} has several targets`, { hint: 'answers() gives them in heads, by name' })
    return (await this.answers(images, options)).map(({ classes }) => [...classes])
  }

  /**
   * Answers to each image: `classes` as `predict`; `labels` of a model with several labels an image, those above their
   * thresholds; `values` of a model that gives numbers; `heads` of one with several targets, each with these.
   * @throws LayermillError `IMAGE_...`
   */
  async answers(images: readonly ImageInput[], options: PredictOptions = {}): Promise<ImageAnswer[]> {
    const { preparation, inputSize, probabilities } = this.network
    const centerCrop = !isFineTuned(this.network) && this.network.graph === undefined
    const { top = 5, oversample = false } = options
    const prepare = async (image: ImageInput): Promise<Prepared> => {
      const source = await toSource(image)
      return oversample
        ? tenCrop(source, preparation, { size: inputSize })
        : prepareImage(source, preparation, { size: givesOwnSizes(preparation) ? 'keep' : inputSize, centerCrop })
    }
    const rows = await this.compute(images, [probabilities], oversample ? 10 : 1, prepare)
    const { labels, target } = this
    return rows.map(row => answerOf(row.layers.get(probabilities)!.data, { labels, target, top }))
  }

  /** Ends the engine thread and frees its memory. Idempotent. */
  async dispose(): Promise<void> {
    await this.provider.close()
  }

  private async prepareSource(image: ImageInput, options: PrepareInputOptions): Promise<Prepared> {
    const { preparation, inputSize } = this.network
    return prepareImage(await toSource(image), preparation, {
      size: options.size ?? (givesOwnSizes(preparation) ? 'keep' : inputSize),
      ...(options.resample && { resample: options.resample }),
      ...(options.decode && { decode: options.decode }),
    })
  }

  private async compute(
    images: readonly ImageInput[],
    layers: readonly string[],
    crops: number,
    prepare: (image: ImageInput) => Promise<Prepared>,
  ): Promise<ComputedImage<number>[]> {
    async function* prepared(): AsyncGenerator<PreparedRow<number>> {
      for (const [row, image] of images.entries()) {
        const { tensor, width, height, inputHeight, inputWidth } = await prepare(image)
        yield { kind: 'image', row, tensor, crops, inputSize: [inputHeight, inputWidth], width, height, sha256: '' }
      }
    }
    const session = await this.provider.session(this.source.model, this.source.weights, layers)
    try {
      const rows: ComputedImage<number>[] = []
      for await (const row of computeRows(prepared(), { extractor: session.value, batchSize: Math.max(this.batchSize, crops) })) {
        if (row.kind === 'computed') rows.push(row)
        else if (row.kind === 'failed') throw new LayermillError(receivedCode(row.code), `image ${row.row}: ${row.reason}`)
      }
      return rows
    } finally {
      session.done()
    }
  }
}

/** Rows of one layer as one tensor; they must have the same shape. */
function stack(layer: string, rows: readonly ComputedImage<number>[]): Tensor {
  const first = rows[0]?.layers.get(layer)
  if (first === undefined) return { shape: [0], data: new Float32Array(0) }
  const size = elementCount(first.shape)
  const data = new Float32Array(rows.length * size)
  for (const [i, row] of rows.entries()) {
    const { data: values, shape } = row.layers.get(layer)!
    if (String(shape) !== String(first.shape)) {
      throw new LayermillError(
        'INPUT_SIZE',
        `images of different sizes have different shapes at ${layer}: ${shape.join('x')} and ${first.shape.join('x')}`,
        {
          hint: 'give a size, or extract them one by one',
        },
      )
    }
    data.set(values, i * size)
  }
  return { shape: [rows.length, ...first.shape], data }
}

/** The folder or URL of a registered model's version; every other name as it is. */
async function registeredModel(name: string, { registry }: LoadModelOptions): Promise<string> {
  const { resolveModel } = await import('../registry/registry.js')
  return resolveModel(name, { registry })
}

/**
 * Loads a network, or a fine-tuned model, with its weights into an engine, in this process and without a queue.
 *
 * @example
 * const vgg16 = await loadModel('vgg16', { weights: 'imagenet' })
 * const { fc7 } = await vgg16.extract(['cat.jpg'], { layers: ['fc7'] })   // { data: Float32Array, shape: [1, 4096] }
 *
 * @param name a network, as `resnet50`, an ONNX file, a folder with one or a URL of one, the folder or URL of a fine-tuned model, or a
 * registered one, as `pets@latest` or `pets@3`
 * @throws LayermillError `MODEL_UNKNOWN`, `MODEL_NOT_REGISTERED`, `REGISTRY_MISSING`, `MODEL_INVALID`, `PREPARATION_UNKNOWN`,
 * `WEIGHTS_...`, `DEVICE_UNAVAILABLE`
 */
export async function loadModel(name: string, options: LoadModelOptions = {}): Promise<ImageModel> {
  const { weights = 'imagenet', engine = 'onnx', device = 'cpu', threads, batchSize = 8 } = options
  const model = name.includes('@') ? await registeredModel(name, options) : name
  const provider = new ModelProvider({
    openEngine: () => openEngine({ engine, device, ...(threads === undefined ? {} : { threads }) }),
    load: (id, source) => loadAnyModel(id, source, loadWeights),
  })
  try {
    const loaded = await provider.model(model, weights)
    const { network, labels } = loaded
    await provider.openEngine()
    if (options.labels !== undefined && options.labels.length !== network.classes) {
      throw new LayermillError(
        'SPEC_INVALID',
        `labels: got ${options.labels.length} names, expected ${network.classes}, one for each class of ${network.id} with these weights`,
      )
    }
    const { prepare } = options
    const preparation = prepare !== undefined && isPreparationPlace(prepare) ? await readPreparation(prepare) : prepare
    requirePreparation(network, loaded.weights.preparation, preparation)
    return new ImageModel(
      preparedAs(network, preparation),
      options.labels ?? labels,
      provider,
      { model, weights },
      batchSize,
      loaded.target,
    )
  } catch (error) {
    await provider.close()
    throw error
  }
}
