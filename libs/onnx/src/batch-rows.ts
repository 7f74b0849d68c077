import { type BatchPlace, imagesInFront } from './cut/batch.js'
import { type Info, product, type Size } from './shapes/info.js'

/** The dimensions of a value for one of `count` images, by the place of the images in it; undefined where it does not fit. */
function dimsOfOne(dims: readonly Size[], { axis, outside }: BatchPlace, count: number): readonly Size[] | undefined {
  const size = dims[axis]
  if (size === undefined || size % (outside * count) !== 0) return undefined
  return dims.map((side, i) => (i === axis ? size / count : side))
}

/** The shape of one image's row of a value: without the dimension of the images, unless that holds more. */
export function rowShape<S extends Size>(dims: readonly S[], place: BatchPlace | undefined): readonly S[] {
  const axis = place?.axis ?? 0
  return dims[axis] === 1 ? dims.filter((_, i) => i !== axis) : dims
}

/** Shapes for one image of a file that computes `count`: those of values with rows for each of them. */
export function ofOneImage(
  values: ReadonlyMap<string, Info>,
  count: number,
  depending: ReadonlySet<string>,
  places: ReadonlyMap<string, BatchPlace>,
): Map<string, Info> {
  const one = ([name, info]: [string, Info]): [string, Info] => {
    if (!depending.has(name) || info.dims === undefined) return [name, info]
    const dims = dimsOfOne(info.dims, places.get(name) ?? imagesInFront, count)
    return [name, dims === undefined ? info : { ...info, dims }]
  }
  return new Map([...values].map(one))
}

/** Order of the images among the numbers of a value: so many rows before them, so many numbers behind. */
export interface BatchOrder {
  readonly outer: number
  readonly inner: number
}

/** The order of the numbers of a value of `count` images; undefined where its shape has no place for them there. */
export function batchOrder(shape: readonly number[], { axis, outside }: BatchPlace, count: number): BatchOrder | undefined {
  const size = shape[axis]
  if (size === undefined || size === 0 || size % (outside * count) !== 0) return undefined
  return {
    outer: product(shape.slice(0, axis))! * outside,
    inner: (size / (outside * count)) * product(shape.slice(axis + 1))!,
  }
}
