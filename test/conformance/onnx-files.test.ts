import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type RawTensor, ValueComputer } from '@layermill/engines'
import { elementCount, fromFloat16, LayermillError } from '@layermill/core'
import { type Layer, OnnxModel } from '@layermill/onnx'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/**
 * Values of onnxruntime in Python, all graph optimizations off, and modules by PyTorch's hooks: made by the libraries that `models` names.
 */
interface Golden {
  readonly feeds: Readonly<Record<string, string>>
  readonly outputs: readonly string[]
  /** Whether a batch of three gives what its images give, once the first dimension is free. */
  readonly batch: 'yes' | 'no' | 'error'
  readonly values: Readonly<Record<string, Summary>>
  readonly inlined?: readonly Summary[]
  readonly modules: Readonly<Record<string, { readonly status?: string; readonly value?: string; readonly namedValue?: string }>>
}

interface Summary {
  readonly shape: readonly number[]
  readonly largest: number
  readonly samples: readonly (readonly [number, number])[]
}

const folder = fileURLToPath(new URL('onnx-files/', import.meta.url))
const names = (await readdir(join(folder, 'values'))).filter(name => name.endsWith('.json')).map(name => name.slice(0, -'.json'.length))

const kinds: Readonly<Record<string, { type: string; width: number; array: (buffer: ArrayBuffer) => ArrayBufferView }>> = {
  '<f4': { type: 'float32', width: 4, array: buffer => new Float32Array(buffer) },
  '|u1': { type: 'uint8', width: 1, array: buffer => new Uint8Array(buffer) },
}

async function readNpy(path: string): Promise<RawTensor> {
  const bytes = await readFile(path)
  const start = 10 + bytes.readUInt16LE(8)
  const header = bytes.toString('latin1', 10, start)
  const dims = /\(([^)]*)\)/
    .exec(header)![1]!
    .split(',')
    .flatMap(part => (part.trim() === '' ? [] : [Number(part)]))
  const kind = kinds[/'descr': '([^']+)'/.exec(header)![1]!]!
  return { type: kind.type, dims, data: kind.array(new Uint8Array(bytes.subarray(start)).buffer) }
}

function numbersOf({ type, data }: RawTensor): ArrayLike<number> {
  if (type !== 'float16') return data as unknown as Float32Array
  return fromFloat16(new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2))
}

const difference = (found: RawTensor, { samples, largest }: Summary): number => {
  const numbers = numbersOf(found)
  return Math.max(0, ...samples.map(([index, value]) => Math.abs(numbers[index]! - value) / (largest === 0 ? 1 : largest)))
}

/** Three different batches of one, and the batch of three, made of one input. */
function batches(
  feeds: ReadonlyMap<string, RawTensor>,
  image: string,
): { ones: ReadonlyMap<string, RawTensor>[]; three: ReadonlyMap<string, RawTensor> } {
  const shifted = ({ data, ...rest }: RawTensor, by: number): RawTensor => {
    const own = data as unknown as Float32Array
    return { ...rest, data: own.map((_, i) => own[(i * (2 * by + 1) + 37 * by) % own.length]!) }
  }
  const joined = (tensors: readonly RawTensor[]): RawTensor => {
    const all = tensors.map(({ data }) => data as unknown as Float32Array)
    const data = all[0]!.slice()
    const three = new (data.constructor as new (length: number) => Float32Array<ArrayBuffer>)(3 * data.length)
    all.forEach((values, i) => three.set(values, i * data.length))
    return { type: tensors[0]!.type, dims: [3, ...tensors[0]!.dims.slice(1)], data: three }
  }
  const ones = [0, 1, 2].map(by => new Map([...feeds].map(([name, tensor]) => [name, name === image ? shifted(tensor, by) : tensor])))
  const three = new Map(
    [...feeds].map(([name, tensor]) => [name, tensor.dims.length < 2 ? tensor : joined(ones.map(one => one.get(name)!))]),
  )
  return { ones, three }
}

interface Computed {
  readonly golden: Golden
  readonly model: OnnxModel
  readonly feeds: ReadonlyMap<string, RawTensor>
}

async function open(name: string): Promise<Computed> {
  const golden = JSON.parse(await readFile(join(folder, 'values', `${name}.json`), 'utf8')) as Golden
  const single = join(folder, 'models', `${name}.onnx`)
  const inFolder = (await stat(single).catch(() => undefined)) === undefined
  const model = await OnnxModel.open(inFolder ? join(folder, 'models', name, 'model.onnx') : single)
  const read = Object.entries(golden.feeds).map(async ([input, file]) => [input, await readNpy(join(folder, 'values', file))] as const)
  return { golden, model, feeds: new Map(await Promise.all(read)) }
}

function resolved(model: OnnxModel, asked: string): Layer[] | LayermillError {
  try {
    return model.resolve([asked])
  } catch (error) {
    if (error instanceof LayermillError) return error
    throw error
  }
}

/** Answer that a user should get for a module of each status; a text where it is something else. */
function verdict(found: Layer[] | LayermillError, { status, value }: Golden['modules'][string], quantised: boolean): string | undefined {
  const one = found instanceof LayermillError ? undefined : found
  const equal = one?.length === 1 && one[0]!.value === value
  const remarked = one?.length === 1 && one[0]!.remark !== undefined
  switch (status) {
    case 'found':
      return equal ? undefined : 'expected the value'
    case 'name misleads':
      return remarked || (quantised && one?.length === 1) ? undefined : 'expected a value with a remark'
    case 'only by numbers':
      return equal || found instanceof LayermillError ? undefined : 'expected the value or an error'
    case 'gone':
      return remarked || found instanceof LayermillError ? undefined : 'expected a remark or an error'
    case 'never called':
      return found instanceof LayermillError ? undefined : 'expected an error'
    default:
      return undefined
  }
}

const computer = new ValueComputer(1)
afterAll(() => computer.close())

describe.each(names)('%s', name => {
  let computed: Computed
  beforeAll(async () => {
    computed = await open(name)
  })

  it('gives every value by its name, of the shape that is foreseen', async () => {
    const { golden, model, feeds } = computed
    const values = Object.keys(golden.values)
    expect(values.map(value => model.resolve([value]).map(layer => layer.value))).toEqual(values.map(value => [value]))
    const image = feeds.get(model.image.name)!
    const size = (model.image.layout === 'nchw' ? image.dims.slice(2) : image.dims.slice(1, 3)) as [number, number]
    const [result] = await computer.compute(model, [feeds], values)
    for (const value of values) {
      const expected = golden.values[value]!
      const found = result!.values.get(value)!
      expect(found.dims, value).toEqual(expected.shape)
      expect(model.shapeOf(value, size).dims, value).toEqual(expected.shape)
      expect(difference(found, expected), value).toBeLessThan(found.type === 'float16' ? 5e-4 : 2.3e-6)
    }
    for (const expected of golden.inlined ?? []) {
      const like = [...model.graph.producers.keys()].filter(value => String(model.shapeOf(value, size).dims) === String(expected.shape))
      const [inner] = await computer.compute(model, [feeds], like)
      expect(Math.min(...like.map(value => difference(inner!.values.get(value)!, expected)))).toBeLessThan(2.3e-6)
    }
  })

  it('finds modules as their names and weights allow', () => {
    const { golden, model } = computed
    const quantised = model.graph.nodes.some(({ op }) => op === 'QuantizeLinear')
    const wrong = Object.entries(golden.modules).flatMap(([path, module]) => {
      if (path.startsWith('?')) return []
      const reason = verdict(resolved(model, path), module, quantised)
      return reason === undefined ? [] : [`${path} (${module.status}): ${reason}`]
    })
    expect(wrong).toEqual([])
  })

  it('computes a batch as its images, or says that it does not', async () => {
    const { golden, model, feeds } = computed
    const { ones, three } = batches(feeds, model.image.name)
    const outcome = async (): Promise<string> => {
      try {
        const [together, ...each] = await computer.compute(model, [three, ...ones], golden.outputs, { batch: 'symbolic' })
        for (const [k, alone] of each.entries()) {
          for (const output of golden.outputs) {
            const expected = numbersOf(alone.values.get(output)!)
            const found = numbersOf(together!.values.get(output)!)
            const size = elementCount(alone.values.get(output)!.dims)
            const largest = Math.max(...Array.from(expected, Math.abs))
            for (let i = 0; i < size; i++) if (Math.abs(expected[i]! - found[k * size + i]!) > 1e-5 * largest) return 'no'
          }
        }
        return 'yes'
      } catch (error) {
        expect(error).toMatchObject({ code: 'ENGINE_FAILED' })
        return 'error'
      }
    }
    expect(await outcome()).toBe(golden.batch)
  })
})
