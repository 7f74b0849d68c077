import { FinetuneSpec, type TrainingPlan } from '@layermill/contracts'
import { LayermillError, type Tensor } from '@layermill/core'
import type { Engine, ExplainerOptions } from '@layermill/engines'
import { getNetwork } from '@layermill/models'
import { decodeImage, encodePng } from '@layermill/preprocess'
import type { ImageSource } from '@layermill/storage'
import { expect, it } from 'vitest'
import type { Mistake } from '../metrics-line.js'
import { trainedNetwork } from '../plan.js'
import { type ExplainMistakesOptions, explainMistakes } from './explain-mistakes.js'

const spec = FinetuneSpec.parse({ kind: 'finetune', source: 'pets', model: 'googlenet', layer: 'inception_3a', size: '64x64', out: 'out' })
const classes = ['cat', 'dog']
const network = trainedNetwork(spec, getNetwork('googlenet'), classes)
const plan = { classes, resample: 'bicubic', autoOrient: false } as unknown as TrainingPlan
const picture = await encodePng({ width: 16, height: 16, data: new Uint8Array(16 * 16 * 3).fill(90) })

const mistake = (key: string, predicted = 'dog'): Mistake => ({ key, label: 'cat', predicted, probability: 0.9, loss: 2 })

/** Takes every image for a dog, by all places of the layer that it is asked for. */
function dogEngine(seen: { options?: ExplainerOptions; images: number }): Engine {
  const explain = async ({ shape: [count] }: Tensor) => {
    seen.images += count!
    const layer = { shape: [count!, 1, 2, 2], data: new Float32Array(count! * 4).fill(1) }
    const [name] = seen.options!.layers
    const scores = { shape: [count!, 2], data: Float32Array.from({ length: count! * 2 }, (_, i) => i % 2) }
    return { scores, values: new Map([[name!, layer]]), gradients: new Map([[name!, layer]]), inputGradient: layer }
  }
  const explainer = async (_network: unknown, _weights: unknown, options: ExplainerOptions) => {
    seen.options = options
    return { layers: options.layers, classes: 2, explain, release: async () => undefined }
  }
  return { explainer } as unknown as Engine
}

function options(engine: () => Engine, more: Partial<ExplainMistakesOptions> = {}): ExplainMistakesOptions {
  const read = async ({ key }: { key: string }): Promise<Uint8Array> => {
    if (key.startsWith('gone')) throw new LayermillError('IMAGE_MISSING', key)
    return picture
  }
  const source = { read } as unknown as ImageSource
  const openEngine = async (): Promise<Engine> => engine()
  return { openEngine, spec, plan, network, tensors: new Map(), source, signal: new AbortController().signal, ...more }
}

it('draws the worst mistakes, but for what is gone or would be of another class', async () => {
  const seen = { images: 0 }
  const keys = ['a.png', 'gone.png', 'b.png', ...Array.from({ length: 20 }, (_, i) => `${i}.png`)]
  const mistakes = keys.map((key, i) => mistake(key, i === 2 ? 'cat' : 'dog'))
  const { overlays, layer } = await explainMistakes(
    mistakes,
    options(() => dogEngine(seen)),
  )
  expect(layer).toBe('inception_3a')
  expect(seen).toMatchObject({ images: 11, options: { layers: ['inception_3a'], inputGradient: false } })
  expect(overlays.map(overlay => overlay !== undefined)).toEqual([true, false, false, ...Array.from({ length: 9 }, () => true)])
  const drawn = await decodeImage(overlays[0]!)
  expect([drawn.width, drawn.height]).toEqual([...network.inputSize])
  // Warm on a grey picture: more red than blue.
  expect(drawn.data[0]!).toBeGreaterThan(drawn.data[2]!)
})

it('says why there is nothing to see, and does not fail a run by it', async () => {
  const refusing = (): Engine => {
    throw new LayermillError('ENGINE_UNKNOWN', 'scores are explained by ONNX Runtime only')
  }
  const reason = async (more: Partial<ExplainMistakesOptions>): Promise<unknown> =>
    (await explainMistakes([mistake('a.png')], options(refusing, more))).layer
  expect(await reason({})).toEqual({ missing: 'scores are explained by ONNX Runtime only' })
  expect(await reason({ openEngine: undefined })).toEqual({ missing: expect.stringContaining('no engine') })
  const target = { kind: 'multi-label' } as NonNullable<TrainingPlan['target']>
  expect(await reason({ plan: { ...plan, target } })).toEqual({ missing: expect.stringContaining('one class an image') })
  const huge = new Map([['w', { shape: [1e12], data: new Float32Array() }]])
  expect(await reason({ tensors: huge })).toEqual({ missing: expect.stringContaining('too little memory') })
  await expect(reason({ signal: AbortSignal.abort(new Error('stopped')) })).rejects.toThrow('stopped')
})
