import type { Cut } from '@layermill/onnx'

/** Numbers of any element type, as the runtime calls it (`float32`, `uint8`, `int64`). */
export interface RawTensor {
  readonly type: string
  readonly dims: readonly number[]
  readonly data: ArrayBufferView
}

/** How prepared images [N, 3, H, W] in float32 become the graph's input. */
export interface ImageFeed {
  readonly name: string
  readonly type: 'float32' | 'float16' | 'float64' | 'uint8' | 'int8'
  readonly layout: 'nchw' | 'nhwc'
}

export interface GraphParams {
  readonly cut: Pick<Cut, 'model' | 'weights' | 'weightBytes' | 'weightFile' | 'outputs'>
  readonly image: ImageFeed
  /** Computes node by node, as the file says, without joining any. */
  readonly unoptimised?: boolean
}

/** Requests on graphs that were read from files. */
export interface GraphRequests {
  /** `run` of such a session takes images and gives each output as float32. */
  loadGraph: { params: GraphParams; result: { session: number } }
  /** Feeds tensors by name, and gives the outputs as they are. */
  runGraph: { params: { session: number; feeds: ReadonlyMap<string, RawTensor> }; result: { values: readonly RawTensor[] } }
}
