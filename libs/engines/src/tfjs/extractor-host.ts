import type { Tensor } from '@layermill/core'
import { pruneNodes, type GraphNode } from '@layermill/models'
import * as tf from '@tensorflow/tfjs-core'
import { foldBatchNorm } from '../onnx/lower/fold.js'
import type { LoadParams } from '../thread/protocol.js'
import { Parameters } from './parameters.js'
import { runNodes } from './program.js'
import { downloadValue, uploadValue } from './values.js'

/** One extractor inside the engine thread: batch norm folded into convolutions, weights on the backend. */
export class ExtractorHost {
  private readonly nodes: readonly GraphNode[]
  private readonly outputs: readonly string[]
  private readonly parameters: Parameters

  constructor({ nodes, weights, outputs, ownWeights }: LoadParams) {
    const options = { outputs: new Set(outputs), inPlace: ownWeights }
    const folded = foldBatchNorm(pruneNodes(nodes, outputs), weights, options)
    this.nodes = folded.nodes
    this.outputs = outputs
    this.parameters = new Parameters(folded.weights)
  }

  /** One tensor per output, each in a buffer of its own. */
  run(images: Tensor): Tensor[] {
    const input = tf.tidy(() => uploadValue(images))
    const values = runNodes(this.nodes, input, new Set(this.outputs), this.parameters)
    try {
      return this.outputs.map(name => downloadValue(values.get(name)!))
    } finally {
      tf.dispose([...values.values()])
    }
  }

  release(): void {
    this.parameters.dispose()
  }
}
