import { LayermillError } from '@layermill/core'
import { type TokenPart, tokenParts } from '@layermill/models'
import type { OnnxModel } from './model.js'

/** Most tokens in front of the patches: a class token and some registers. */
const mostPrefix = 16

/** Beginnings of a name that say of which kind it is: `value:mean` is a value by that name, and no part of tokens. */
const kinds: readonly string[] = ['value', 'node', 'module']

/** `encoder.layer.11:mean` as layer and part; undefined where no part is named. */
export function splitTokens(layer: string): { readonly layer: string; readonly tokens: TokenPart } | undefined {
  const at = layer.lastIndexOf(':')
  const tokens = tokenParts.find(part => part === layer.slice(at + 1))
  const name = layer.slice(0, at)
  return at <= 0 || tokens === undefined || kinds.includes(name) ? undefined : { layer: name, tokens }
}

/** Patches of an image: what the first convolution that jumps from patch to patch gives; else the largest square of the tokens. */
function patchCount(model: OnnxModel, count: number, size: readonly [number, number]): number {
  const infos = model.values(size)
  for (const node of model.graph.nodes) {
    if (node.op !== 'Conv') continue
    const dims = infos.get(node.outputs[0] ?? '')?.dims
    const [height, width] = [dims?.[2], dims?.[3]]
    const patches = height === undefined || width === undefined ? 0 : height * width
    if (dims?.length === 4 && patches > 0 && patches <= count && count - patches <= mostPrefix) return patches
  }
  return Math.floor(Math.sqrt(count)) ** 2
}

/**
 * Tokens in front of the patches: the class token, and registers behind it.
 * @param count tokens in all
 */
export const prefixOf = (model: OnnxModel, count: number, size: readonly [number, number]): number => count - patchCount(model, count, size)

/**
 * The shape of a part of [tokens, dim].
 * @throws LayermillError `INPUT_SIZE` where the value has no tokens, or no class token
 */
export function tokenShape(layer: string, shape: readonly number[], part: TokenPart, prefix: number): readonly number[] {
  if (shape.length !== 2) {
    throw new LayermillError('INPUT_SIZE', `layer ${layer} is ${shape.join('x')}, and has no tokens: expected tokens x dim`, {
      hint: 'leave out --tokens; --pool is for feature maps',
    })
  }
  const [count, dim] = shape as [number, number]
  if (part === 'all') return shape
  if (part === 'cls' && prefix === 0) {
    throw new LayermillError('INPUT_SIZE', `layer ${layer} has ${count} tokens, all of them patches: there is no class token`, {
      hint: 'give --tokens mean or patches',
    })
  }
  return part === 'patches' ? [count - prefix, dim] : [dim]
}

/** A part of one image's tokens; the mean in double precision. */
export function takeTokens(data: Float32Array, count: number, part: TokenPart, prefix: number): Float32Array {
  const dim = data.length / count
  if (part === 'all') return data
  if (part === 'cls') return data.slice(0, dim)
  if (part === 'patches') return data.slice(prefix * dim)
  const sums = new Float64Array(dim)
  for (let token = prefix; token < count; token++) for (let i = 0; i < dim; i++) sums[i]! += data[token * dim + i]!
  return Float32Array.from(sums, sum => sum / (count - prefix))
}
