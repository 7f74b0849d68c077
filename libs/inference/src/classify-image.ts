import type { FilePreparation } from '@layermill/models'
import { givesOwnSizes, isFineTuned } from '@layermill/models'
import { LayermillError, receivedCode } from '@layermill/core'
import { prepareImage } from '@layermill/preprocess'
import { specNetwork } from './any-model.js'
import type { ModelProvider } from './model-provider.js'
import { computeRows, type PreparedRow } from './part/compute-rows.js'
import { answerOf, type ImageAnswer } from './predict.js'

export interface ClassifyOptions {
  readonly provider: ModelProvider
  /** Network by name, or the folder or URL of a model. */
  readonly model: string
  readonly weights: string
  readonly prepare?: string | FilePreparation | undefined
  /** File of one image. */
  readonly bytes: Uint8Array
  readonly top: number
  /** Milliseconds of its decoding. */
  readonly timeoutMs: number
  readonly note?: (text: string) => void
}

/**
 * The likeliest classes of one image, as a prediction gives them: a published network sees the centre of 256/224 of its size, a fine-tuned
 * one the whole picture.
 * @throws LayermillError `IMAGE_...`; as the provider
 */
export async function classifyImage(options: ClassifyOptions): Promise<ImageAnswer & { readonly network: string }> {
  const { provider, model, weights, bytes, top, timeoutMs, note = () => undefined } = options
  const loaded = await provider.model(model, weights)
  const network = specNetwork(loaded, options, note)
  const { preparation, inputSize, probabilities } = network
  const size = givesOwnSizes(preparation) ? 'keep' : inputSize
  const prepared = await prepareImage(bytes, preparation, { size, centerCrop: !isFineTuned(network), timeoutMs })
  const { tensor, width, height, inputHeight, inputWidth } = prepared
  async function* rows(): AsyncGenerator<PreparedRow<string>> {
    yield { kind: 'image', row: 'picture', tensor, crops: 1, inputSize: [inputHeight, inputWidth], width, height, sha256: '' }
  }
  const session = await provider.session(model, weights, [probabilities])
  try {
    for await (const row of computeRows(rows(), { extractor: session.value, batchSize: 1 })) {
      if (row.kind === 'failed') throw new LayermillError(receivedCode(row.code), row.reason)
      if (row.kind === 'computed') return { network: network.id, ...answerOf(row.layers.get(probabilities)!.data, { ...loaded, top }) }
    }
  } finally {
    session.done()
  }
  throw new LayermillError('ENGINE_FAILED', `the engine gave no classes of the picture`)
}
