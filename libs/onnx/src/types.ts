/** Element types by number, as TensorProto.DataType has them, and the bits of one element (0: none fixed). */
export const elementBits: ReadonlyMap<number, number> = new Map([
  [1, 32],
  [2, 8],
  [3, 8],
  [4, 16],
  [5, 16],
  [6, 32],
  [7, 64],
  [8, 0],
  [9, 8],
  [10, 16],
  [11, 64],
  [12, 32],
  [13, 64],
  [14, 64],
  [15, 128],
  [16, 16],
  [17, 8],
  [18, 8],
  [19, 8],
  [20, 8],
  [21, 4],
  [22, 4],
  [23, 4],
  [24, 8],
  [25, 2],
  [26, 2],
])

export const float = 1
export const uint8 = 2
export const int8 = 3
export const int32 = 6
export const int64 = 7
export const bool = 9
export const float16 = 10
export const double = 11

const names =
  'undefined float32 uint8 int8 uint16 int16 int32 int64 string bool float16 float64 uint32 uint64 complex64 complex128 bfloat16'.split(' ')

/** Such as `float32`. */
export const elementName = (type: number): string => names[type] ?? `type ${type}`

/** Whether values of a type are real numbers that a layer can be made of. */
export const isFloat = (type: number | undefined): boolean => type === float || type === float16 || type === double || type === 16

/** A dimension: a size, a name, or nothing said (''). */
export type Dim = number | string

/** An input, output or typed value. Sequences and the like have no `shape` and `type` 0. */
export interface ValueDef {
  readonly name: string
  /** TensorProto.DataType; 0 where it is no tensor. */
  readonly type: number
  /** Left out: not said. */
  readonly shape?: readonly Dim[]
  /** The ValueInfoProto as it was read. */
  readonly proto: Uint8Array
}

/** A tensor's place: bytes `offset` to `offset + length` of the ONNX file itself (`location` '') or of a file named relative to it. */
export interface Place {
  readonly location: string
  readonly offset: number
  readonly length: number
}

/** An initializer. Its numbers stay where they are. */
export interface TensorDef {
  readonly name: string
  readonly type: number
  readonly dims: readonly number[]
  /** Place of the numbers, in the layout of raw data; left out: within `proto`. */
  readonly place?: Place
  /** The TensorProto; without `place`, whole. */
  readonly proto: Uint8Array
}

export type AttributeDef = {
  readonly name: string
  readonly kind: 'float' | 'int' | 'string' | 'tensor' | 'graph' | 'floats' | 'ints' | 'graphs' | 'other'
  readonly numbers: readonly number[]
  readonly text: string
  readonly tensor?: TensorDef
  readonly graphs: readonly GraphDef[]
  /** Name of the function's attribute that it stands for. */
  readonly reference: string
  readonly proto: Uint8Array
}

export interface NodeDef {
  readonly name: string
  readonly op: string
  /** '' for ONNX's own. */
  readonly domain: string
  readonly overload: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: ReadonlyMap<string, AttributeDef>
  /** `metadata_props`. */
  readonly metadata: ReadonlyMap<string, string>
  /** Fields that are none of the above, and the metadata, as they were read. */
  readonly rest: readonly Uint8Array[]
}

export interface GraphDef {
  readonly name: string
  readonly nodes: readonly NodeDef[]
  readonly initializers: ReadonlyMap<string, TensorDef>
  readonly inputs: readonly ValueDef[]
  readonly outputs: readonly ValueDef[]
  readonly values: ReadonlyMap<string, ValueDef>
  /** Fields that are none of the above, as they were read. */
  readonly rest: readonly Uint8Array[]
}

export interface FunctionDef {
  readonly name: string
  readonly domain: string
  readonly overload: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly defaults: ReadonlyMap<string, AttributeDef>
  readonly nodes: readonly NodeDef[]
}

export interface ModelDef {
  readonly irVersion: number
  readonly producer: string
  /** Versions by domain; '' is ONNX's own. */
  readonly opsets: ReadonlyMap<string, number>
  readonly metadata: ReadonlyMap<string, string>
  readonly graph: GraphDef
  readonly functions: readonly FunctionDef[]
}
