/** For tests: small tensors, and files in formats that this library reads but does not write. */
import { elementCount, fillUniform, RandomStream, type Tensor, type TensorMap } from '@layermill/core'

/** Parts of real networks, at sizes that suit a test. All names are real; the numbers of channels are not. */
export const small = {
  vgg16: new Map([
    ['conv1_1/W', [4, 3, 3, 3]],
    ['conv1_1/b', [4]],
    ['conv5_3/W', [6, 4, 3, 3]],
    ['conv5_3/b', [6]],
    ['fc6/W', [10, 6 * 49]],
    ['fc6/b', [10]],
    ['fc7/W', [8, 10]],
    ['fc7/b', [8]],
    ['fc8/W', [5, 8]],
    ['fc8/b', [5]],
  ]),
  resnet50: new Map([
    ['conv1/W', [4, 3, 7, 7]],
    ['conv1/b', [4]],
    ...norm('bn1', 4),
    ['res2/a/conv1/W', [3, 4, 1, 1]],
    ...norm('res2/a/bn1', 3),
    ['res2/a/conv2/W', [3, 3, 3, 3]],
    ...norm('res2/a/bn2', 3),
    ['res2/a/conv4/W', [5, 4, 1, 1]],
    ...norm('res2/a/bn4', 5),
    ['res4/b5/conv3/W', [6, 3, 1, 1]],
    ...norm('res4/b5/bn3', 6),
    ['fc6/W', [7, 6]],
    ['fc6/b', [7]],
  ]),
  googlenet: new Map([
    ['conv2_reduce/W', [4, 4, 1, 1]],
    ['conv2_reduce/b', [4]],
    ['inc3a/proj5/W', [2, 4, 1, 1]],
    ['inc3a/proj5/b', [2]],
    ['inc5b/projp/W', [3, 4, 1, 1]],
    ['inc5b/projp/b', [3]],
    ['loss1_fc1/W', [5, 6]],
    ['loss1_fc1/b', [5]],
    ['loss3_fc/W', [4, 3]],
    ['loss3_fc/b', [4]],
  ]),
} satisfies Record<string, Map<string, number[]>>

function norm(name: string, channels: number): [string, number[]][] {
  return ['gamma', 'beta', 'avg_mean', 'avg_var'].map(kind => [`${name}/${kind}`, [channels]])
}

/** Tensors with a uniform value in [-1, 1) everywhere, different for each name. */
export function fabricate(shapes: ReadonlyMap<string, readonly number[]>): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>()
  for (const [name, shape] of shapes) {
    const data = new Float32Array(elementCount(shape))
    fillUniform(data, 1, new RandomStream(`test ${name}`))
    tensors.set(name, { shape, data })
  }
  return tensors
}

export interface CaffeLayer {
  readonly name: string
  readonly blobs: readonly Tensor[]
}

export interface CaffeOptions {
  /** `V1`: `layers`, four legacy dimensions. `new`: `layer`, a shape. */
  readonly layout: 'V1' | 'new'
  /** Default `packed`. */
  readonly numbers?: 'packed' | 'unpacked' | 'double' | 'unpackedDouble'
}

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  while (rest >= 128) {
    bytes.push((rest % 128) | 128)
    rest = Math.floor(rest / 128)
  }
  return [...bytes, rest]
}

const tag = (field: number, wireType: number): number[] => varint(field * 8 + wireType)

function delimited(field: number, contents: Uint8Array | string): Buffer {
  const bytes = Buffer.from(contents as string)
  return Buffer.concat([Buffer.from([...tag(field, 2), ...varint(bytes.length)]), bytes])
}

function encodeNumbers(data: Float32Array, numbers: NonNullable<CaffeOptions['numbers']>): Buffer {
  if (numbers === 'packed') return delimited(5, Buffer.from(data.buffer, data.byteOffset, data.byteLength))
  if (numbers === 'double') return delimited(8, Buffer.from(Float64Array.from(data).buffer))
  const [width, head] = numbers === 'unpacked' ? [4, tag(5, 5)] : [8, tag(8, 1)]
  const stride = head.length + width
  const bytes = Buffer.alloc(data.length * stride)
  data.forEach((value, i) => {
    bytes.set(head, i * stride)
    if (width === 4) bytes.writeFloatLE(value, i * stride + head.length)
    else bytes.writeDoubleLE(value, i * stride + head.length)
  })
  return bytes
}

function encodeBlob({ shape, data }: Tensor, { layout, numbers = 'packed' }: CaffeOptions): Buffer {
  if (layout === 'new') return Buffer.concat([encodeNumbers(data, numbers), delimited(7, delimited(1, Buffer.from(shape.flatMap(varint))))])
  const legacy = [...[1, 1, 1, 1].slice(shape.length), ...shape]
  return Buffer.concat([Buffer.from(legacy.flatMap((size, axis) => [...tag(axis + 1, 0), ...varint(size)])), encodeNumbers(data, numbers)])
}

/** A `.caffemodel`, with the fields beside the blobs that real ones have. */
export function encodeCaffemodel(layers: readonly CaffeLayer[], options: CaffeOptions): Buffer {
  const old = options.layout === 'V1'
  const encoded = layers.map(layer => {
    const blobs = layer.blobs.map(blob => delimited(old ? 6 : 7, encodeBlob(blob, options)))
    const type = old ? Buffer.from([...tag(5, 0), 4]) : delimited(2, 'Convolution')
    const rates = old ? Buffer.from([...tag(7, 5), 0, 0, 128, 63]) : Buffer.alloc(0)
    return delimited(
      old ? 2 : 100,
      Buffer.concat([delimited(old ? 2 : 3, 'data'), delimited(old ? 4 : 1, layer.name), type, ...blobs, rates]),
    )
  })
  return Buffer.concat([delimited(1, 'a network'), delimited(3, 'data'), ...encoded])
}

const scalar = (value: number): Tensor => ({ shape: [1], data: new Float32Array([value]) })

/** Caffe's layers from canonical tensors, by the given pairs of parameter link and layer; batch norms are kept times `factor`. */
export function toCaffeLayers(tensors: TensorMap, links: ReadonlyMap<string, string>, factor = 1): CaffeLayer[] {
  const layers: CaffeLayer[] = []
  for (const [link, layer] of links) {
    const get = (kind: string): Tensor | undefined => tensors.get(`${link}/${kind}`)
    const gamma = get('gamma')
    if (gamma === undefined) {
      layers.push({ name: layer, blobs: [get('W'), get('b')].filter(blob => blob !== undefined) })
      continue
    }
    const times = ({ shape, data }: Tensor): Tensor => ({ shape, data: data.map(value => value * factor) })
    layers.push({ name: `bn${layer}`, blobs: [times(get('avg_mean')!), times(get('avg_var')!), scalar(factor)] })
    layers.push({ name: `scale${layer}`, blobs: [gamma, get('beta')!] })
  }
  return layers
}
