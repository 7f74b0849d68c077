import { elementCount, LayermillError, type Tensor } from '@layermill/core'
import type { Size2 } from '@layermill/models'
import type { OnnxNetwork } from '@layermill/onnx'
import type { Extractor } from '../../engine.js'
import type { ThreadClient } from '../../thread/client.js'
import { buffersOf } from '../../thread/transfer.js'
import { checkImages } from '../check-images.js'
import { imageFeed } from './extractor.js'
import { rowOf } from './rows.js'

/**
 * Values of a file in float32 whose ranges are to be known, one image at a time: so that whatever shape they have, and however batches are
 * computed, they are those of the file. Each is [N, numbers of an image].
 */
export class GraphCalibrator implements Extractor {
  private releasing: Promise<void> | undefined

  private constructor(
    private readonly client: ThreadClient,
    private readonly session: number,
    readonly layers: readonly string[],
    /** Name of the image's input, whose values are not computed. */
    private readonly image: string,
    private readonly inputSize: Size2 | undefined,
  ) {}

  static async open(
    client: ThreadClient,
    network: OnnxNetwork,
    values: readonly string[],
    inputSize: Size2 | undefined,
  ): Promise<GraphCalibrator> {
    const { model } = network.graph
    const batch = model.kindOfOne
    // The image itself is no result of the graph.
    const computed = values.filter(name => name !== model.image.name)
    const cut = model.cut({ values: computed, batch, ...(inputSize === undefined ? {} : { size: inputSize }) })
    const { session } = await client.request('loadGraph', { cut, image: imageFeed(model) })
    return new GraphCalibrator(client, session, values, model.image.name, inputSize)
  }

  async run(images: Tensor): Promise<Map<string, Tensor>> {
    if (this.releasing !== undefined) throw new LayermillError('ENGINE_CLOSED', 'this extractor has been released')
    checkImages(images, this.inputSize)
    const count = images.shape[0]!
    const found = new Map<string, Tensor[]>(this.layers.map(name => [name, []]))
    for (let i = 0; i < count; i++) {
      const image = rowOf(images, i)
      const copy = { shape: image.shape, data: image.data.slice() }
      const { tensors } = await this.client.request('run', { session: this.session, images: copy }, buffersOf([copy]))
      const results = tensors.values()
      for (const [name, rows] of found) rows.push(name === this.image ? image : results.next().value!)
    }
    return new Map([...found].map(([name, rows]) => [name, joined(rows)]))
  }

  release(): Promise<void> {
    this.releasing ??= this.client.free('release', { session: this.session })
    return this.releasing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release()
  }
}

/** One row for each image, whatever shapes they had. */
function joined(rows: readonly Tensor[]): Tensor {
  const size = elementCount(rows[0]!.shape)
  const data = new Float32Array(rows.length * size)
  rows.forEach((row, i) => data.set(row.data, i * size))
  return { shape: [rows.length, size], data }
}
