/** For tests: Keras weight files from canonical tensors. */
import { File as H5File, ready } from 'h5wasm/node'
import { elementCount, type Tensor, type TensorMap } from '@layermill/core'

export interface KerasDataset {
  readonly layer: string
  /** `kernel`, `bias`, `gamma`, ... */
  readonly role: string
  readonly tensor: Tensor
}

/** [out, in, kh, kw] to [kh, kw, in, out], element by element: written to be seen to be right, not fast. */
export function toHwio({ shape, data }: Tensor): Tensor {
  const [out, channels, height, width] = shape as [number, number, number, number]
  const result = new Float32Array(data.length)
  for (let o = 0; o < out; o++) {
    for (let i = 0; i < channels; i++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++)
          result[((y * width + x) * channels + i) * out + o] = data[((o * channels + i) * height + y) * width + x]!
      }
    }
  }
  return { shape: [height, width, channels, out], data: result }
}

/** [out, in] to [in, out]; with `side`, the inputs go from channels, height, width to height, width, channels (height = width = side). */
export function toIo({ shape, data }: Tensor, side = 1): Tensor {
  const [out, inputs] = shape as [number, number]
  const channels = inputs / (side * side)
  const result = new Float32Array(data.length)
  for (let o = 0; o < out; o++) {
    for (let c = 0; c < channels; c++) {
      for (let p = 0; p < side * side; p++) result[(p * channels + c) * out + o] = data[o * inputs + c * side * side + p]!
    }
  }
  return { shape: [inputs, out], data: result }
}

const convNumbers: Readonly<Record<string, number>> = { 1: 1, 2: 2, 3: 3, 4: 0 }

/** Datasets of a Keras ResNet whose convolutions have the biases `biasOf` gives: means are larger by them, so that nothing changes. */
export function kerasResnet(tensors: TensorMap, biasOf: (channels: number) => Float32Array): KerasDataset[] {
  const datasets: KerasDataset[] = []
  const roles: Readonly<Record<string, string>> = { gamma: 'gamma', beta: 'beta', avg_mean: 'moving_mean', avg_var: 'moving_variance' }
  for (const [name, tensor] of tensors) {
    const kind = name.slice(name.lastIndexOf('/') + 1)
    const block = /^res(\d)\/(?:a|b(\d+))\/(conv|bn)(\d)/.exec(name)
    const prefix = block === null ? 'conv1' : `conv${block[1]}_block${Number(block[2] ?? 0) + 1}_${convNumbers[block[4]!]}`
    if (name.startsWith('fc6'))
      datasets.push({ layer: 'probs', role: kind === 'W' ? 'kernel' : 'bias', tensor: kind === 'W' ? toIo(tensor) : tensor })
    else if (kind === 'b') datasets.push({ layer: 'conv1_conv', role: 'bias', tensor })
    else if (kind === 'W') {
      datasets.push({ layer: `${prefix}_conv`, role: 'kernel', tensor: toHwio(tensor) })
      const channels = tensor.shape[0]!
      if (block !== null) datasets.push({ layer: `${prefix}_conv`, role: 'bias', tensor: { shape: [channels], data: biasOf(channels) } })
    } else {
      const bias = block !== null && kind === 'avg_mean' ? biasOf(tensor.data.length) : undefined
      const data = bias === undefined ? tensor.data : tensor.data.map((value, i) => value + bias[i]!)
      datasets.push({ layer: `${prefix}_bn`, role: roles[kind]!, tensor: { shape: tensor.shape, data } })
    }
  }
  return datasets
}

/** Writes datasets as Keras 1 names them (`fc1/fc1_W_1:0`) or as later versions do (`probs/probs/kernel:0`). */
export async function writeKeras(path: string, datasets: readonly KerasDataset[], version: 1 | 2): Promise<void> {
  await ready
  const file = new H5File(path, 'w')
  const layers = [...new Set(datasets.map(dataset => dataset.layer)), 'flatten']
  file.create_attribute('layer_names', layers)
  for (const layer of layers) {
    const group = file.create_group(layer)
    const own = datasets.filter(dataset => dataset.layer === layer)
    const inner = version === 1 || own.length === 0 ? group : group.create_group(layer)
    const names = own.map(({ role }) => (version === 1 ? `${layer}_${role === 'kernel' ? 'W' : 'b'}_1:0` : `${role}:0`))
    for (const [i, { tensor }] of own.entries()) {
      inner.create_dataset({
        name: names[i]!,
        data: tensor.data.slice(0, elementCount(tensor.shape)),
        shape: [...tensor.shape],
        dtype: '<f4',
      })
    }
    if (names.length > 0) group.create_attribute('weight_names', version === 1 ? names : names.map(name => `${layer}/${name}`))
  }
  file.flush()
  file.close()
}
