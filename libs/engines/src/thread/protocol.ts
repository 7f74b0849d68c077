import type { Tensor } from '@layermill/core'
import type { GraphNode, Size2 } from '@layermill/models'
import type { Device, EngineName } from '../engine.js'
import type { ExplainRequests } from '../onnx/explain/protocol.js'
import type { GraphRequests } from '../onnx/file/protocol.js'
import type { Range } from '../onnx/int8/parameters.js'
import type { TrainingRequests } from '../onnx/trainer-protocol.js'

/** Requests of the calling thread to the engine thread, and their results. They are carried out one after the other, in order. */
export interface Requests extends TrainingRequests, GraphRequests, ExplainRequests {
  /** The first request: takes the first of `devices` that works. */
  open: {
    params: { devices: readonly Device[]; threads: number }
    result: { device: Device; report: string; version: string }
  }
  /** With `calibrate`, `points` are the nodes whose tensors `run` returns. */
  load: { params: LoadParams; result: { session: number; points?: readonly string[] } }
  /** One tensor per output asked for, in that order. `inputs` go beside the images, into a graph that was read from a file. */
  run: { params: { session: number; images: Tensor; inputs?: ReadonlyMap<string, Tensor> }; result: { tensors: readonly Tensor[] } }
  release: { params: { session: number }; result: undefined }
  /** The last request: frees everything and ends the thread. */
  close: { params: undefined; result: undefined }
}

export interface LoadParams {
  readonly nodes: readonly GraphNode[]
  /** Exactly the parameters that the nodes read. */
  readonly weights: ReadonlyMap<string, Tensor>
  /** The weights were copied for this request: the thread may overwrite them. */
  readonly ownWeights: boolean
  /** Names of nodes. */
  readonly outputs: readonly string[]
  readonly inputSize: Size2 | undefined
  /** In int8, with these ranges by node. */
  readonly ranges?: ReadonlyMap<string, Range>
  /** With weights and most values in float16. */
  readonly float16?: boolean
  /** Instead of `outputs`, the values whose ranges are needed to compute each of these sets of nodes in int8. */
  readonly calibrate?: readonly (readonly string[])[]
  /** Instead of each value its smallest and largest number, over the whole batch. */
  readonly extremes?: boolean
}

export type RequestKind = keyof Requests

export type Request = {
  [Kind in RequestKind]: { readonly id: number; readonly kind: Kind; readonly params: Requests[Kind]['params'] }
}[RequestKind]

/** A LayermillError without its class, which structured cloning would lose. */
export interface ErrorData {
  readonly code: string
  readonly message: string
  readonly hint: string | undefined
}

export type Reply =
  | { readonly id: number; readonly ok: true; readonly result: Requests[RequestKind]['result'] }
  | { readonly id: number; readonly ok: false; readonly error: ErrorData }

/**
 * Two 32-bit flags in shared memory. ONNX Runtime cannot be interrupted: a process that exits during a native call aborts instead.
 * So the thread marks native calls as BUSY, and a process about to exit sets STOP and waits until BUSY is 0.
 */
export const busy = 0
export const stop = 1

/** Start data of the thread. */
export interface ThreadData {
  readonly engine: EngineName
  readonly flags: Int32Array
}
