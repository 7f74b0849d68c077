import { compileWasm, instantiateWasm, type WasmMemory, type WasmModule } from '@layermill/core'
import type { OptimizerMemory } from './optimizer-memory.js'
import { applyUpdate, partOf, type ParameterUpdate } from './optimizer-rules.js'
import { optimizerWasm } from './optimizer-wasm.js'

interface Exports {
  adam(
    p: number,
    g: number,
    m: number,
    v: number,
    end: number,
    rate: number,
    mix1: number,
    mix2: number,
    epsilon: number,
    shrink: number,
    scale: number,
    decay: number,
  ): void
  momentum(p: number, g: number, v: number, end: number, rate: number, momentum: number, scale: number, decay: number): void
}

/** Data that a thread needs to have the same kernels. */
export interface KernelsData {
  readonly module: WasmModule
  readonly memory: WasmMemory
}

/** The update rules as SIMD code over one memory: the same bits as `applyUpdate`, in less than half the time. */
export class OptimizerKernels {
  private readonly exports: Exports

  constructor({ module, memory }: KernelsData) {
    this.exports = instantiateWasm(module, { optimizer: { memory } })
  }

  /** Updates all of `p` and the optimizer's memory; these and `g` must be in the kernels' memory, all of one length. */
  update(update: ParameterUpdate): void {
    const { p, g } = update
    const even = p.length - (p.length % 2)
    const end = p.byteOffset + even * Float32Array.BYTES_PER_ELEMENT
    const v = update.memory.v.byteOffset
    if (update.rule === 'adam') {
      const { rate, beta1, beta2, epsilon, shrink, scale, decay } = update.step
      this.exports.adam(
        p.byteOffset,
        g.byteOffset,
        update.memory.m.byteOffset,
        v,
        end,
        rate,
        1 - beta1,
        1 - beta2,
        epsilon,
        shrink,
        scale,
        decay,
      )
    } else {
      const { rate, momentum, scale, decay } = update.step
      this.exports.momentum(p.byteOffset, g.byteOffset, v, end, rate, momentum, scale, decay)
    }
    // Kernels take two at a time.
    applyUpdate(update, even, p.length)
  }
}

/** Updates parts of parameters in the calling thread: by kernels where all but the gradient is in their memory, else by the plain rules. */
export class PartUpdater {
  /** For the kernels of other threads. */
  readonly data: KernelsData
  private readonly kernels: OptimizerKernels
  private readonly gradient: Float32Array

  /** @param longest elements of the longest part; so many are taken from the memory */
  constructor(
    private readonly memory: OptimizerMemory,
    longest: number,
  ) {
    this.data = { module: compileWasm(optimizerWasm), memory: memory.memory }
    this.kernels = new OptimizerKernels(this.data)
    this.gradient = memory.numbers(longest)
  }

  /** Whether kernels can do an update whose gradient is copied into their memory. */
  byKernels({ p, memory }: ParameterUpdate): boolean {
    return [p, ...Object.values<Float32Array>({ ...memory })].every(array => this.memory.has(array))
  }

  update(update: ParameterUpdate, start: number, end: number): void {
    if (!this.byKernels(update)) {
      applyUpdate(update, start, end)
      return
    }
    const part = partOf(update, start, end)
    const g = this.gradient.subarray(0, end - start)
    g.set(part.g)
    this.kernels.update({ ...part, g })
  }
}
