import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, realpath } from 'node:fs/promises'
import { LayermillError, openFile, type Tensor } from '@layermill/core'
import { ofOneImage } from './batch-rows.js'
import { type BatchPlace, followBatch } from './cut/batch.js'
import { type Additions, type BatchKind, type Cut, cutGraph, type CutOptions, type CutSource, keptNodes } from './cut/cut.js'
import { dependents, needed } from './depends.js'
import { findExternalFiles } from './external.js'
import { findImageInput, type ImageInput } from './image-input.js'
import { unsupported } from './invalid.js'
import { type Layer, LayerNames } from './names/resolve.js'
import { type Graph, namesTaken, normalise } from './read/normalise.js'
import { parseModel } from './read/parse.js'
import { readSkeleton } from './read/skeleton.js'
import type { Info } from './shapes/info.js'
import { inferValues } from './shapes/infer.js'
import { blockedValues } from './shapes/runtime.js'
import { type Forward, forwardPass } from './train/forward.js'
import { tensorNumbers } from './train/numbers.js'
import { float16, isFloat, type ModelDef, type TensorDef } from './types.js'

export type { Additions, BatchKind, Cut, CutOptions, WeightPiece } from './cut/cut.js'
export type { ImageInput } from './image-input.js'
export type { Layer } from './names/resolve.js'

/** Side of the images of a network that takes any and says nothing. */
const usualSide = 224

/** Shapes and types of all values, for the images that the file computes at a time and for one of them. */
interface Inferred {
  readonly whole: Map<string, Info>
  readonly single: Map<string, Info>
  /** Places of the images in the values, as far as that is known. */
  readonly places: ReadonlyMap<string, BatchPlace>
}

/** Facts on one value for one image. */
export interface ValueShape {
  /** TensorProto.DataType. */
  readonly type: number
  /** With the batch of one; a size that is not known is undefined, and so is all where not even the rank is. */
  readonly dims: readonly (number | undefined)[] | undefined
}

/** An ONNX file, opened: its graph is in memory, its weights are not. */
export class OnnxModel {
  readonly names: LayerNames
  readonly image: ImageInput
  private readonly shapes = new Map<string, Inferred>()
  private hash: Promise<string> | undefined

  private constructor(
    /** The file's path. */
    readonly path: string,
    readonly model: ModelDef,
    readonly graph: Graph,
    /** The file of each location of weights; '' is the ONNX file itself. */
    readonly files: ReadonlyMap<string, string>,
  ) {
    this.image = findImageInput(graph, path)
    const types = this.inferred(this.defaultSize).whole
    const reached = dependents(graph, this.image.name)
    const blocked = blockedValues(graph)
    const isReal = (name: string): boolean => isFloat(types.get(name)?.type) || types.get(name)?.type === 0
    const real = new Set([...graph.producers.keys()].filter(name => isReal(name) && !blocked.has(name)))
    this.names = new LayerNames(path, graph, new Set([...real].filter(name => reached.has(name))), real)
  }

  /**
   * Opens an ONNX file. Its weights are not read, wherever they lie.
   * @throws LayermillError `ONNX_INVALID`, `ONNX_UNSUPPORTED`, `WEIGHTS_NOT_FOUND`, `WEIGHTS_TRUNCATED`
   */
  static async open(path: string): Promise<OnnxModel> {
    await using file = await openFile(path)
    const model = parseModel(await readSkeleton(file), path)
    const graph = normalise(model, path)
    const places = [...graph.initializers.values()].flatMap(({ place }) => (place === undefined ? [] : [place]))
    for (const { location, offset, length } of places) {
      if (location === '' && offset + length > file.size)
        throw new LayermillError('WEIGHTS_TRUNCATED', `${path} ends before its weights do`)
    }
    const files = await findExternalFiles(path, places)
    return new OnnxModel(path, model, graph, new Map([...files, ['', await realpath(path)]]))
  }

  /** Height and width that the file is for; 224 where it takes any. */
  get defaultSize(): readonly [number, number] {
    const { height, width } = this.image
    return [typeof height === 'number' ? height : usualSide, typeof width === 'number' ? width : usualSide]
  }

  /** Whether images of this size can be fed. */
  takesSize([height, width]: readonly [number, number]): boolean {
    const fits = (dim: number | string, size: number): boolean => typeof dim === 'string' || dim === size
    return fits(this.image.height, height) && fits(this.image.width, width)
  }

  /** Images that the file computes at a time: 1 unless it is fixed at more. */
  get fixedBatch(): number {
    const { batch } = this.image
    return typeof batch === 'number' ? Math.max(1, batch) : 1
  }

  /** The form of the graph that takes a single image, and nothing is known of batches. */
  get kindOfOne(): BatchKind {
    if (typeof this.image.batch !== 'number') return 'symbolic'
    return this.fixedBatch === 1 ? 'fixed' : 'repaired'
  }

  /** The layers that names stand for, in the order asked for, each once. @throws LayermillError `LAYER_UNKNOWN`, `LAYER_AMBIGUOUS` */
  resolve(layers: readonly string[]): Layer[] {
    const found = new Map<string, Layer>()
    for (const layer of layers.flatMap(name => this.names.resolve(name))) found.set(layer.name, layer)
    return [...found.values()]
  }

  /** Type and shape of a value for one image of a size. */
  shapeOf(value: string, size: readonly [number, number] = this.defaultSize): ValueShape {
    const info = this.values(size).get(value)
    return { type: info?.type ?? 0, dims: info?.dims }
  }

  /** Shapes and types of all values for one image of a size, as far as they are known. */
  values(size: readonly [number, number] = this.defaultSize): ReadonlyMap<string, Info> {
    return this.inferred(size).single
  }

  /** The dimension of a value that holds the images, as its shapes say; undefined where that is not known. */
  placeOfBatch(value: string, size: readonly [number, number] = this.defaultSize): BatchPlace | undefined {
    return this.inferred(size).places.get(value)
  }

  private inferred(size: readonly [number, number]): Inferred {
    const key = size.join('x')
    const known = this.shapes.get(key)
    if (known !== undefined) return known
    const { name, layout } = this.image
    const [height, width] = size
    const count = this.fixedBatch
    const shape = layout === 'nchw' ? [count, 3, height, width] : [count, height, width, 3]
    const fixed = typeof this.image.height === 'number' && typeof this.image.width === 'number'
    const whole = inferValues(this.graph, this.model.opsets.get('') ?? 0, new Map([[name, shape]]), fixed)
    const places = followBatch(this.graph, name, { values: whole, opset: this.opset })
    const inferred = { whole, single: count === 1 ? whole : ofOneImage(whole, count, dependents(this.graph, name), places), places }
    if (this.shapes.size > 8) this.shapes.clear()
    this.shapes.set(key, inferred)
    return inferred
  }

  private source(options: CutOptions): CutSource {
    const { model, graph, image, files } = this
    return { model, graph, image, files, values: this.inferred(options.size ?? this.defaultSize).whole }
  }

  /** The forward pass to values, with the sides that do not depend on the batch. */
  forward(options: CutOptions): Forward {
    return forwardPass(this.source(options), options)
  }

  /**
   * The graph cut behind values.
   * @param additions what the model has beside it
   * @throws LayermillError `ONNX_UNSUPPORTED` where it needs other inputs than the image and those in `fed`
   */
  cut(options: CutOptions, additions?: Additions): Cut {
    const cut = cutGraph(this.source(options), options, additions)
    const fed = options.fed ?? new Set<string>()
    this.refuseInputs(
      options.values,
      cut.inputs.filter(name => name !== this.image.name && !fed.has(name)),
    )
    return cut
  }

  private refuseInputs(values: readonly string[], inputs: readonly string[]): void {
    if (inputs.length === 0) return
    throw unsupported(
      this.path,
      `${values.join(', ')} ${values.length === 1 ? 'needs' : 'need'} the input ${inputs.join(', ')} beside the images`,
      'layers that do not depend on it can be extracted: `layermill models FILE` says which do; or export the model with that input as a constant',
    )
  }

  /** Inputs that a value needs beside the images. */
  otherInputs(value: string): string[] {
    const taken = new Set([value, ...[...needed(this.graph, [value])].flatMap(index => [...namesTaken(this.graph.nodes[index]!)])])
    return this.graph.inputs.flatMap(({ name }) => (name !== this.image.name && taken.has(name) ? [name] : []))
  }

  /** @throws LayermillError `ONNX_UNSUPPORTED` where a value needs other inputs than the images */
  requireImagesOnly(value: string): void {
    if (this.graph.inputs.length > 1) this.refuseInputs([value], this.otherInputs(value))
  }

  /**
   * The numbers of an initializer, in float32.
   * @throws LayermillError `ONNX_UNSUPPORTED` where there is none of real numbers, `WEIGHTS_TRUNCATED`
   */
  async tensor(name: string): Promise<Tensor> {
    const tensor = this.graph.initializers.get(name)
    if (tensor === undefined) throw unsupported(this.path, `it has no tensor '${name}'`)
    return tensorNumbers(tensor, this.files, this.path)
  }

  /** Version of ONNX's own operators. */
  get opset(): number {
    return this.model.opsets.get('') ?? 0
  }

  /** The initializers that a cut graph reads. */
  private used(options: CutOptions): TensorDef[] {
    const { nodes } = keptNodes(this.source(options), options)
    const taken = new Set([...nodes.flatMap(node => [...namesTaken(node)]), ...options.values])
    return [...this.graph.initializers.values()].filter(({ name }) => taken.has(name))
  }

  /** The numbers of all float16 initializers that a cut graph reads, in float32. */
  async halves(options: CutOptions): Promise<Map<string, Tensor>> {
    const found = new Map<string, Tensor>()
    for (const { name, type } of this.used(options)) if (type === float16) found.set(name, await this.tensor(name))
    return found
  }

  /** The bytes of initializers that a cut graph reads and that lie outside of its messages, in memory: for models that hold all of them. */
  async contents(options: CutOptions, without: ReadonlySet<string>): Promise<Map<string, Uint8Array>> {
    const found = new Map<string, Uint8Array>()
    for (const { name, place } of this.used(options)) {
      if (place === undefined || without.has(name)) continue
      await using file = await openFile(this.files.get(place.location)!)
      const bytes = new Uint8Array(place.length)
      await file.read(place.offset, bytes)
      found.set(name, bytes)
    }
    return found
  }

  /** SHA-256 of the graph and its weights: the file's own where all is in it. */
  sha256(): Promise<string> {
    this.hash ??= this.hashFiles()
    return this.hash
  }

  private async hashFiles(): Promise<string> {
    const hashes: [string, string][] = []
    for (const [location, path] of [...this.files].toSorted(([a], [b]) => (a < b ? -1 : 1))) hashes.push([location, await hashOf(path)])
    return hashes.length === 1 ? hashes[0]![1] : createHash('sha256').update(JSON.stringify(hashes)).digest('hex')
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/** Whether a file begins as an ONNX model does: with its IR version. */
export async function looksLikeOnnx(path: string): Promise<boolean> {
  await using handle = await open(path, 'r')
  const head = new Uint8Array(2)
  await handle.read(head, 0, 2, 0)
  return head[0] === 0x08 && head[1]! >= 1 && head[1]! < 64
}
