import { type CutOptions, type CutSource, keptNodes, opsetOf } from '../cut/cut.js'
import type { Graph } from '../read/normalise.js'
import type { Info, Size } from '../shapes/info.js'
import { inferValues } from '../shapes/infer.js'
import { bool, type NodeDef } from '../types.js'

/** A forward pass whose batch is free, as gradients need it. */
export interface Forward {
  /** In an order in which every node's inputs are there before it. */
  readonly nodes: readonly NodeDef[]
  /** Sides of a value; undefined for those that follow the batch, and those that are not known. */
  dims(value: string): readonly Size[] | undefined
  /** Numbers of a constant, or of what follows from sizes, where they are the same for every batch. */
  integers(value: string): readonly number[] | undefined
  /** Whether a value holds truths. */
  isLogical(value: string): boolean
}

/** Images of the second look: what changes with them depends on the batch. No side of a network is a multiple of it by chance. */
const otherBatch = 13

const equal = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((value, i) => value === b[i])

/** A side of a value for one image and for several: the same, or of the batch. */
function side(axis: number, one: Size, several: Size): Size {
  if (several !== undefined) return one === several ? one : undefined
  // Not known for several: the batch comes first, and is 1 for one image wherever it stands.
  return axis === 0 || one === 1 ? undefined : one
}

/** The forward pass to values, with the sides that do not depend on the batch: those that are equal for one image and for several. */
export function forwardPass(source: CutSource, options: CutOptions): Forward {
  const { graph, image, model, values } = source
  const { nodes, added } = keptNodes(source, options)
  const initializers = new Map([...graph.initializers, ...added.map(tensor => [tensor.name, tensor] as const)])
  const changed: Graph = { ...graph, nodes, initializers }
  const [height, width] = options.size ?? [image.height, image.width]
  const given = (count: number): Size[] => {
    const sides = [height, width].map(size => (typeof size === 'number' ? size : undefined))
    return image.layout === 'nchw' ? [count, 3, ...sides] : [count, ...sides, 3]
  }
  const look = (count: number): Map<string, Info> =>
    inferValues(changed, opsetOf(model, options), new Map([[image.name, given(count)]]), false)
  const [one, several] = [look(1), look(otherBatch)]
  return {
    nodes,
    dims: value => {
      if (options.batch === 'fixed') return values.get(value)?.dims
      // The file says more than what is inferred of its operators; nothing of nodes that were put in.
      const known = one.get(value)?.dims ?? values.get(value)?.dims
      const other = several.get(value)?.dims
      return known?.map((size, axis) => side(axis, size ?? values.get(value)?.dims?.[axis], other?.[axis]))
    },
    integers: value => {
      const [numbers, others] = [one.get(value)?.numbers, several.get(value)?.numbers]
      return numbers !== undefined && others !== undefined && equal(numbers, others) ? numbers : undefined
    },
    isLogical: value => (one.get(value)?.type || values.get(value)?.type) === bool,
  }
}
