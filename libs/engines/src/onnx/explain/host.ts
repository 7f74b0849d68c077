import '../../telemetry.js'
import * as ort from 'onnxruntime-node'
import type { Tensor } from '@layermill/core'
import { createSession, type SessionSettings } from '../session.js'
import { lowerExplanation, type LoweredExplanation } from './lower.js'
import type { ExplainParams } from './protocol.js'

const toOrt = ({ data, shape }: Tensor): ort.Tensor => new ort.Tensor('float32', data, shape)

/** One explainer inside the engine thread. */
export class ExplainerHost {
  private constructor(
    private readonly session: ort.InferenceSession,
    private readonly lowered: Omit<LoweredExplanation, 'graph'>,
  ) {}

  static async create(params: ExplainParams, settings: SessionSettings): Promise<ExplainerHost> {
    const { graph, ...lowered } = lowerExplanation(params)
    return new ExplainerHost(await createSession(graph, settings), lowered)
  }

  async explain(images: Tensor, given: Tensor | undefined): Promise<Tensor[]> {
    const { input, seed, highest, outputs, classes } = this.lowered
    const count = images.shape[0]!
    const weights = given ?? { shape: [count, classes], data: new Float32Array(count * classes) }
    const feeds = { [input]: images, [seed]: weights, [highest]: { shape: [1], data: Float32Array.of(given === undefined ? 1 : 0) } }
    const values = await this.session.run(Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, toOrt(tensor)])))
    return outputs.map(name => {
      const { dims, data } = values[name]!
      if (!(data instanceof Float32Array)) throw new TypeError(`the runtime returned ${values[name]!.type} instead of float32`)
      return { shape: dims, data }
    })
  }

  release(): Promise<void> {
    return this.session.release()
  }
}
