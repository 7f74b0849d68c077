/**
 * An ONNX graph in memory, as far as this project needs ONNX: float32, float16, int64 and quantised tensors, no subgraphs. Lowering makes
 * it,
 * `proto.ts` writes it.
 */

/** Domain of ONNX Runtime's own operators. */
export const microsoft = 'com.microsoft'
/** Domain of ONNX Runtime's operators on blocked values (see `onnx/backward/layouts.ts`). */
export const nchwc = 'com.microsoft.nchwc'

export type OwnDomain = typeof microsoft | typeof nchwc

/** A value of an attribute. Numbers come wrapped because ONNX distinguishes INT from FLOAT and JavaScript does not. */
export type OnnxAttribute =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'floats'; readonly value: readonly number[] }

export interface OnnxNode {
  readonly op: string
  /** Whose operator it is; ONNX's own where nothing is said. */
  readonly domain?: OwnDomain
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>
}

/** A constant. Integers are int64 in the file; this project's are sizes and indices, exact in a double. */
export type OnnxInitializer =
  | { readonly type: 'float32'; readonly shape: readonly number[]; readonly data: Float32Array }
  | { readonly type: 'int64'; readonly shape: readonly number[]; readonly data: readonly number[] }
  | { readonly type: 'float16'; readonly shape: readonly number[]; readonly data: Uint16Array }
  | { readonly type: 'int8'; readonly shape: readonly number[]; readonly data: Int8Array }
  | { readonly type: 'uint8'; readonly shape: readonly number[]; readonly data: Uint8Array }
  | { readonly type: 'int32'; readonly shape: readonly number[]; readonly data: Int32Array }

/**
 * An input or output of the graph: float32, int64, or float64 of products of matrices. A dimension is a size, or a name where it is known
 * only when run.
 */
export interface OnnxValueInfo {
  readonly name: string
  readonly shape: readonly (number | string)[]
  readonly type?: 'float32' | 'int64' | 'float64'
}

export interface OnnxGraph {
  readonly name: string
  /** In an order in which every node's inputs are there before it. */
  readonly nodes: readonly OnnxNode[]
  readonly initializers: ReadonlyMap<string, OnnxInitializer>
  readonly inputs: readonly OnnxValueInfo[]
  readonly outputs: readonly OnnxValueInfo[]
  /** Version of ONNX's own operators; the usual one where nothing is said. */
  readonly opset?: number
}

export const int = (value: number): OnnxAttribute => ({ kind: 'int', value })
export const float = (value: number): OnnxAttribute => ({ kind: 'float', value })
export const ints = (...value: number[]): OnnxAttribute => ({ kind: 'ints', value })
export const text = (value: string): OnnxAttribute => ({ kind: 'string', value })
