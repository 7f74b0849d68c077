import { availableParallelism } from 'node:os'
import type { BatchKind, OnnxModel } from '@layermill/onnx'
import { ThreadClient } from '../../thread/client.js'
import { imageFeed } from './extractor.js'
import type { RawTensor } from './protocol.js'

export interface ComputeOptions {
  /** Handling of the first dimension. Default: as the file has it. */
  readonly batch?: BatchKind
  /** Computes node by node, without joining any. Default false. */
  readonly unoptimised?: boolean
}

export interface ComputedValues {
  readonly values: ReadonlyMap<string, RawTensor>
  /** Nodes that were left of the graph. */
  readonly nodeCount: number
}

/** A thread that computes values of ONNX files from prepared tensors, on the CPU. */
export class ValueComputer implements AsyncDisposable {
  private readonly client = new ThreadClient('onnx')
  private opened: Promise<unknown> | undefined

  /** @param threads inside one operator; default: the machine's cores */
  constructor(private readonly threads: number = availableParallelism()) {}

  /**
   * Computes values for each of several sets of inputs, by the graph cut behind these values.
   * @param feeds tensors by the name of the input, the images' among them; all sets have the same names
   * @throws LayermillError `ONNX_UNSUPPORTED` for an input that is missing, `ENGINE_FAILED` with the runtime's reason
   */
  async compute(
    model: OnnxModel,
    feeds: readonly ReadonlyMap<string, RawTensor>[],
    values: readonly string[],
    { batch = 'fixed', unoptimised = false }: ComputeOptions = {},
  ): Promise<ComputedValues[]> {
    const cut = model.cut({ values, batch, fed: new Set(feeds[0]?.keys()) })
    this.opened ??= this.client.request('open', { devices: ['cpu'], threads: this.threads })
    await this.opened
    const { session } = await this.client.request('loadGraph', { cut, image: imageFeed(model), unoptimised })
    try {
      const results: ComputedValues[] = []
      for (const set of feeds) {
        const used = new Map([...set].filter(([name]) => cut.inputs.includes(name)))
        const result = await this.client.request('runGraph', { session, feeds: used })
        results.push({ values: new Map(values.map((name, i) => [name, result.values[i]!])), nodeCount: cut.nodeCount })
      }
      return results
    } finally {
      await this.client.free('release', { session })
    }
  }

  /** Ends the thread. */
  close(): Promise<void> {
    return this.client.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
