import type { Tensor, TensorMap } from '@layermill/core'
import type { Network, Size2 } from '@layermill/models'
import type { Explainer, ExplainerOptions } from './explainer.js'
import type { Range } from './onnx/int8/parameters.js'
import type { Trainer, TrainerOptions } from './trainer.js'

export type EngineName = 'onnx' | 'tfjs'
/** `cpu-portable` is TensorFlow.js's own arithmetic in JavaScript: it needs no native package, and is slow. */
export type Device = 'cpu' | 'cuda' | 'webgpu' | 'cpu-portable'

export interface EngineOptions {
  engine?: EngineName
  /**
   * `auto` tries cuda, webgpu, cpu (with tfjs cuda, cpu) and reports which one it took and why. Default `cpu`. `cpu-portable` is there
   * with tfjs only, and by request only.
   */
  device?: Device | 'auto'
  /** Threads inside one operator. Default: the machine's cores. TensorFlow.js chooses for itself. */
  threads?: number
}

export interface ExtractorOptions {
  /** Input height and width when all batches have the same (lets the engine plan memory); left out, each batch brings its own. */
  inputSize?: Size2
  /**
   * Computes in int8 with these ranges, by node: what a `calibrator` for these layers gives values of. ONNX Runtime on the CPU only.
   * Default: float32.
   */
  ranges?: ReadonlyMap<string, Range>
  /** Of a network read from a file: layers that are computed in float32 beside `ranges`, by a graph of their own. */
  exactLayers?: ReadonlySet<string>
  /** Weights and most values in float16. ONNX Runtime on cuda and webgpu only; not together with `ranges`. */
  float16?: boolean
  /**
   * The weights become the engine's: their memory moves to its thread instead of being copied, and the arrays given are empty afterwards.
   * Default: they stay the caller's.
   */
  handOver?: boolean
  /** Of a network read from a file: told once how its batches are computed, when the first ones have shown it. */
  onBatching?: (batching: Batching) => void
}

/** How batches of a network that was read from a file are computed. */
export interface Batching {
  /**
   * `whole`: a batch of images gave what they give one by one, to 1e-5 (float16: 2^-8). `single`: it did not, so they are computed one at a
   * time.
   */
  readonly kind: 'whole' | 'single'
  /** Reason for people, where it is `single`, or where constants of the file were changed for it. */
  readonly reason?: string
}

/** A network pruned to the layers asked for, ready to run. */
export interface Extractor extends AsyncDisposable {
  /** Public layer names, in the order asked for. */
  readonly layers: readonly string[]
  /** Of a network that was read from a file: how its batches are computed, once the first ones have shown it. */
  readonly batching?: Batching | undefined
  /**
   * Computes the layers of a batch of prepared images [N, 3, H, W], N >= 1. The buffer of `images.data` is transferred to the
   * engine and unusable afterwards. Calls queue up behind each other. Each result is [N, ...shape], in a buffer of its own.
   */
  run(images: Tensor): Promise<Map<string, Tensor>>
  /** As `run`, for measuring times with made-up images: what these give proves nothing on batches. Left out: `run` does. */
  trial?(images: Tensor): Promise<unknown>
  /** Frees the session; pending runs finish first. Idempotent. */
  release(): Promise<void>
}

export interface CalibratorOptions extends Pick<ExtractorOptions, 'inputSize'> {
  /** Gives of each value its smallest and largest number over a batch, [2, 1, ...], and not the value. Default: false. */
  readonly extremes?: boolean
}

/**
 * A device that runs networks, in a thread of its own: nothing here blocks the calling thread's event loop.
 * Errors are LayermillErrors (`LAYER_UNKNOWN`, `INPUT_SIZE`, `WEIGHTS_MISSING_TENSOR`, `DEVICE_UNAVAILABLE`, `ENGINE_FAILED`, ...).
 */
export interface Engine {
  readonly name: EngineName
  /** The device in use. */
  readonly device: Device
  /** Report for people: what was tried, and why it was or was not taken. */
  readonly report: string
  /** Version of the runtime below, as `onnxruntime 1.30.0`. */
  readonly version: string
  extractor(network: Network, weights: TensorMap, layers: readonly string[], options?: ExtractorOptions): Promise<Extractor>
  /**
   * A network in float32 that gives the values whose ranges int8 needs, from which `ExtractorOptions.ranges` are chosen. Its layers are
   * names of nodes.
   * @param sets the layers of each extractor that is to compute with the ranges
   * @throws LayermillError `PRECISION_UNAVAILABLE` where this engine is not ONNX Runtime on the CPU; else as `extractor`.
   */
  calibrator(network: Network, weights: TensorMap, sets: readonly (readonly string[])[], options?: CalibratorOptions): Promise<Extractor>
  /**
   * A network ready to be differentiated. Weights are copied.
   * @throws LayermillError `PARAMETER_UNKNOWN`, `LAYER_UNKNOWN`, `INPUT_SIZE`, `WEIGHTS_MISSING_TENSOR`, `WEIGHTS_SHAPE`.
   */
  trainer(network: Network, weights: TensorMap, options: TrainerOptions): Promise<Trainer>
  /**
   * A network whose scores can be differentiated with respect to its layers and its input. ONNX Runtime only.
   * @throws LayermillError `ENGINE_UNKNOWN` for another engine; `LAYER_UNKNOWN`, also for a layer that the scores do not depend on;
   * `INPUT_SIZE`, `WEIGHTS_MISSING_TENSOR`, `WEIGHTS_SHAPE`
   */
  explainer(network: Network, weights: TensorMap, options: ExplainerOptions): Promise<Explainer>
  /** Ends the thread once pending runs are done. Idempotent. A process with closed engines exits by itself. */
  close(): Promise<void>
}
