import { open } from 'node:fs/promises'
import { join } from 'node:path'
import * as ort from 'onnxruntime-node'
import { fromFloat16, LayermillError, type Tensor, toFloat16 } from '@layermill/core'
import { hasInt8Instructions } from '../../int8-instructions.js'
import { type SessionSettings, sessionOptions } from '../session.js'
import { temporaryFolder } from '../weight-file.js'
import type { GraphParams, ImageFeed, RawTensor } from './protocol.js'

/** Bytes copied at a time. */
const pieceBytes = 1 << 24

async function copyWeights({ cut }: GraphParams, write: (bytes: Uint8Array, at: number) => Promise<void>): Promise<void> {
  const buffer = new Uint8Array(pieceBytes)
  for (const { path, offset, length, at } of cut.weights) {
    await using file = await open(path, 'r')
    for (let done = 0; done < length;) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(pieceBytes, length - done), offset + done)
      if (bytesRead === 0) throw new LayermillError('WEIGHTS_TRUNCATED', `${path} ends before byte ${offset + length}`)
      await write(buffer.subarray(0, bytesRead), at + done)
      done += bytesRead
    }
  }
}

async function fillFile(path: string, params: GraphParams): Promise<void> {
  await using file = await open(path, 'wx', 0o600)
  await copyWeights(params, async (bytes, at) => {
    for (let done = 0; done < bytes.length;) done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten
  })
}

async function create(params: GraphParams, settings: SessionSettings): Promise<ort.InferenceSession> {
  const { cut, unoptimised } = params
  const usual = sessionOptions(settings, (await hasInt8Instructions()) === true)
  const options = unoptimised === true ? { ...usual, graphOptimizationLevel: 'disabled' as const } : usual
  if (cut.weightBytes === 0) return ort.InferenceSession.create(cut.model, options)
  const made = await temporaryFolder(cut.weightBytes, folder => fillFile(join(folder, cut.weightFile), params))
  if (made === undefined) {
    const data = new Uint8Array(cut.weightBytes)
    await copyWeights(params, async (bytes, at) => data.set(bytes, at))
    return ort.InferenceSession.create(cut.model, { ...options, externalData: [{ path: cut.weightFile, data }] })
  }
  try {
    const extra = { ...options.extra, 'session.model_external_initializers_file_folder_path': made.folder }
    return await ort.InferenceSession.create(cut.model, { ...options, extra })
  } finally {
    await made.remove()
  }
}

/** [N, 3, H, W] as [N, H, W, 3]. */
function channelsLast({ shape, data }: Tensor): Float32Array {
  const [count, channels, height, width] = shape as [number, number, number, number]
  const pixels = height * width
  const moved = new Float32Array(data.length)
  for (let image = 0; image < count; image++) {
    for (let channel = 0; channel < channels; channel++) {
      const from = (image * channels + channel) * pixels
      for (let pixel = 0; pixel < pixels; pixel++) moved[(image * pixels + pixel) * channels + channel] = data[from + pixel]!
    }
  }
  return moved
}

/** Images [N, 3, H, W] as a graph takes them. */
export function imageTensor(images: Tensor, { type, layout }: Omit<ImageFeed, 'name'>): ort.Tensor {
  const [count, channels, height, width] = images.shape as [number, number, number, number]
  const dims = layout === 'nchw' ? [...images.shape] : [count, height, width, channels]
  const data = layout === 'nchw' ? images.data : channelsLast(images)
  switch (type) {
    case 'float32':
      return new ort.Tensor('float32', data, dims)
    case 'float64':
      return new ort.Tensor('float64', Float64Array.from(data), dims)
    case 'uint8':
      // Whole pixels, halves to even, as the decoder has them.
      return new ort.Tensor('uint8', Uint8Array.from(Uint8ClampedArray.from(data)), dims)
    case 'int8':
      return new ort.Tensor(
        'int8',
        Int8Array.from(data, value => Math.max(-128, Math.min(127, Math.round(value)))),
        dims,
      )
    case 'float16':
      return new ort.Tensor('float16', halves(data), dims)
  }
}

/** The runtime takes and gives float16 as its bits. */
function halves(data: Float32Array): Uint16Array {
  const bits = new Uint16Array(data.length)
  toFloat16(data, bits)
  return bits
}

function realNumbers({ type, data }: ort.Tensor, name: string): Float32Array {
  if (data instanceof Float32Array) return data
  if (type === 'float16') {
    const { buffer, byteOffset, length } = data as unknown as Uint16Array
    return fromFloat16(new Uint16Array(buffer, byteOffset, length))
  }
  if (data instanceof Float64Array || data instanceof Int8Array || data instanceof Uint8Array) return Float32Array.from(data)
  if (data instanceof Int16Array || data instanceof Uint16Array) return Float32Array.from(data)
  throw new LayermillError('ONNX_UNSUPPORTED', `the value ${name} is of ${type}, which is no layer of real numbers`)
}

/** A session of a graph that was read from a file. */
export class GraphSession {
  private constructor(
    private readonly session: ort.InferenceSession,
    private readonly params: GraphParams,
  ) {}

  /** Makes a session; the file's weights reach the runtime through a temporary file that it maps, as `createSession` does. */
  static async create(params: GraphParams, settings: SessionSettings): Promise<GraphSession> {
    return new GraphSession(await create(params, settings), params)
  }

  /** Images to outputs, in float32, with the batch in front: [N, ...] or [N * k, ...]. */
  async run(images: Tensor, inputs: ReadonlyMap<string, Tensor> = new Map()): Promise<Tensor[]> {
    const { image, cut } = this.params
    const more = [...inputs].map(([name, { shape, data }]) => [name, new ort.Tensor('float32', data, shape)] as const)
    const results = await this.session.run({ [image.name]: imageTensor(images, image), ...Object.fromEntries(more) })
    const taken = new Set<ArrayBufferLike>()
    return cut.outputs.map(name => {
      const { dims } = results[name]!
      const data = realNumbers(results[name]!, name)
      const own = taken.has(data.buffer) ? data.slice() : data
      taken.add(own.buffer)
      return { shape: dims, data: own }
    })
  }

  /** Tensors by name to outputs, as they are. */
  async runRaw(feeds: ReadonlyMap<string, RawTensor>): Promise<RawTensor[]> {
    const made = [...feeds].map(
      ([name, { type, dims, data }]) => [name, new ort.Tensor(type as 'float32', data as Float32Array, dims)] as const,
    )
    const results = await this.session.run(Object.fromEntries(made))
    return this.params.cut.outputs.map(name => {
      const { type, dims, data } = results[name]!
      if (Array.isArray(data)) throw new LayermillError('ONNX_UNSUPPORTED', `the value ${name} is text`)
      const view = data as unknown as ArrayBufferView
      return { type, dims, data: view }
    })
  }

  release(): Promise<void> {
    return this.session.release()
  }
}
