import { elementCount, formatShape, fromFloat16, LayermillError, printableName } from '@layermill/core'
import { type ComputedValues, type RawTensor, ValueComputer } from '@layermill/engines'
import { loadOnnx } from '@layermill/inference'
import { type Layer, type OnnxModel, isOnnxNetwork } from '@layermill/onnx'
import { readNpy } from '../../arrays/npy.js'
import { readNpzArrays, writeNpzArrays } from '../../arrays/npz.js'
import { formatTable } from '../../output/format.js'
import type { Output } from '../../output/output.js'

export interface CheckOptions {
  input: string[]
  layers?: string
  out?: string
  against?: string
  tolerance: string
  json?: boolean
}

async function openModel(file: string): Promise<OnnxModel> {
  const loaded = await loadOnnx(file)
  if (loaded !== undefined && isOnnxNetwork(loaded.network)) return loaded.network.graph.model
  throw new LayermillError('MODEL_UNKNOWN', `there is no ONNX file at ${file}`, {
    hint: 'expected a file, or a folder with model.onnx or onnx/model.onnx',
  })
}

/** `x.npy` for the images' input, or `mask=m.npy` for one by name. */
async function readInputs(inputs: readonly string[], model: OnnxModel): Promise<Map<string, RawTensor>> {
  const known = [...model.graph.inputs, ...model.graph.defaulted].map(({ name }) => name)
  const feeds = new Map<string, RawTensor>()
  for (const text of inputs) {
    const name = known.find(input => text.startsWith(`${input}=`)) ?? model.image.name
    const path = text.startsWith(`${name}=`) ? text.slice(name.length + 1) : text
    feeds.set(name, await readNpy(path))
  }
  return feeds
}

const numbersOf = ({ type, data }: RawTensor): ArrayLike<number | bigint> => {
  if (type !== 'float16') return data as unknown as Float32Array
  return fromFloat16(new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2))
}

/** Largest difference as a share of the reference's largest number; Infinity where shapes differ or a number is missing. */
export function relativeDifference(found: RawTensor, reference: RawTensor): number {
  if (elementCount(found.dims) !== elementCount(reference.dims)) return Infinity
  const [a, b] = [numbersOf(found), numbersOf(reference)]
  let largest = 0
  let difference = 0
  for (let i = 0; i < b.length; i++) {
    const [left, right] = [Number(a[i]), Number(b[i])]
    if (Number.isNaN(left) !== Number.isNaN(right)) return Infinity
    if (Object.is(left, right) || Number.isNaN(left)) continue
    difference = Math.max(difference, Math.abs(left - right))
    if (Number.isFinite(right)) largest = Math.max(largest, Math.abs(right))
  }
  for (let i = 0; i < b.length; i++) if (Number.isFinite(Number(b[i]))) largest = Math.max(largest, Math.abs(Number(b[i])))
  return difference === 0 ? 0 : difference / (largest === 0 ? 1 : largest)
}

interface Row {
  readonly layer: string
  readonly value: string
  readonly shape: readonly number[]
  readonly difference?: number
  readonly remark?: string | undefined
}

function toleranceOf(text: string): number {
  const tolerance = Number(text)
  if (text.trim() !== '' && tolerance >= 0 && Number.isFinite(tolerance)) return tolerance
  throw new LayermillError('SPEC_INVALID', `tolerance: got ${JSON.stringify(text)}, expected a share of the largest number, as 1e-5`)
}

/** The layers to compute: those asked for, else the reference's, else the graph's outputs. */
function chosenLayers(model: OnnxModel, layers: string | undefined, reference: ReadonlyMap<string, RawTensor> | undefined): Layer[] {
  if (layers !== undefined) return model.resolve(layers.split(',').map(name => name.trim()))
  if (reference !== undefined) return model.resolve([...reference.keys()])
  return model.graph.outputs.map(({ name }) => ({ name, value: name }))
}

/** Each image of a batch by itself; inputs beside it are the same for all. */
function imagesOf(feeds: ReadonlyMap<string, RawTensor>, image: string): ReadonlyMap<string, RawTensor>[] {
  const { type, dims, data } = feeds.get(image)!
  const bytes = data.byteLength / dims[0]!
  return Array.from({ length: dims[0]! }, (_, i) => {
    const part = new Uint8Array(data.buffer, data.byteOffset + i * bytes, bytes).slice()
    return new Map([...feeds, [image, { type, dims: [1, ...dims.slice(1)], data: viewAs(data, part) }]])
  })
}

/** Bytes as numbers of the kind that an array has. */
function viewAs(data: ArrayBufferView, bytes: Uint8Array<ArrayBuffer>): ArrayBufferView {
  const kind = data.constructor as new (buffer: ArrayBuffer) => ArrayBufferView
  return new kind(bytes.buffer)
}

/** Values of images one behind the other. */
function joined(parts: readonly RawTensor[]): RawTensor {
  const bytes = new Uint8Array(parts.reduce((sum, { data }) => sum + data.byteLength, 0))
  let at = 0
  for (const { data } of parts) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at)
    at += data.byteLength
  }
  const { type, dims, data } = parts[0]!
  return { type, dims: [dims[0]! * parts.length, ...dims.slice(1)], data: viewAs(data, bytes) }
}

/**
 * Values for all images. A file that takes one at a time is given one at a time, where its values have the images in front: what a repair
 * of its batch would compute is not proven to be the same.
 */
async function computeAll(
  computer: ValueComputer,
  model: OnnxModel,
  feeds: ReadonlyMap<string, RawTensor>,
  values: readonly string[],
): Promise<ComputedValues> {
  const { batch, name } = model.image
  const given = feeds.get(name)?.dims[0] ?? 1
  if (typeof batch !== 'number' || batch === given) return (await computer.compute(model, [feeds], values, { batch: 'fixed' }))[0]!
  const inFront = values.every(value => {
    const place = model.placeOfBatch(value)
    return place === undefined ? model.shapeOf(value).dims?.[0] === 1 : place.axis === 0 && place.outside === 1
  })
  if (batch !== 1 || given === 0 || !inFront) return (await computer.compute(model, [feeds], values, { batch: 'repaired' }))[0]!
  const each = await computer.compute(model, imagesOf(feeds, name), values, { batch: 'fixed' })
  const all = values.map(value => [value, joined(each.map(one => one.values.get(value)!))] as const)
  return { values: new Map(all), nodeCount: each[0]!.nodeCount }
}

/** `layermill models check FILE`: feeds prepared tensors, writes or compares values by name. Exit code 1 beyond the tolerance. */
export async function checkModel(output: Output, file: string, options: CheckOptions): Promise<number | void> {
  const tolerance = toleranceOf(options.tolerance)
  const model = await openModel(file)
  const feeds = await readInputs(options.input, model)
  const reference = options.against === undefined ? undefined : await readNpzArrays(options.against)
  const layers = chosenLayers(model, options.layers, reference)
  await using computer = new ValueComputer()
  const computed = await computeAll(computer, model, feeds, [...new Set(layers.map(({ value }) => value))])
  const values = new Map(layers.map(({ name, value }) => [name, computed.values.get(value)!]))
  if (options.out !== undefined) await writeNpzArrays(options.out, values)
  const rows = layers.map(({ name, value, remark }): Row => {
    const expected = reference?.get(name)
    const found = values.get(name)!
    if (reference !== undefined && expected === undefined) {
      throw new LayermillError(
        'SPEC_INVALID',
        `${options.against} has no array '${printableName(name)}'; it has ${[...reference.keys()].slice(0, 8).join(', ')}`,
      )
    }
    return {
      layer: name,
      value,
      shape: found.dims,
      remark,
      ...(expected === undefined ? {} : { difference: relativeDifference(found, expected) }),
    }
  })
  const failed = rows.filter(({ difference }) => difference !== undefined && !(difference <= tolerance))
  if (options.json === true) output.json({ nodes: computed.nodeCount, tolerance, ok: failed.length === 0, layers: rows })
  else report(output, rows, failed.length, tolerance)
  return failed.length > 0 ? 1 : undefined
}

function report(output: Output, rows: readonly Row[], failed: number, tolerance: number): void {
  const compared = rows.some(({ difference }) => difference !== undefined)
  const table = rows.map(({ layer, shape, difference, remark }) => [
    printableName(layer),
    formatShape(shape),
    ...(compared ? [difference === undefined ? '' : difference === Infinity ? 'other shape' : difference.toExponential(1)] : []),
    remark ?? '',
  ])
  output.line(formatTable(['layer', 'shape', ...(compared ? ['>difference'] : []), 'remark'], table))
  if (compared)
    output.line(failed === 0 ? `\nall within ${tolerance} of the largest number` : `\n${failed} beyond ${tolerance} of the largest number`)
}
