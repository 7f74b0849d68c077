import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Engine, openEngine } from '@layermill/engines'
import { openBrokenEngine } from '@layermill/engines/testing'
import { LocalGradients, type ModelProvider, openTrainingSession } from '@layermill/inference'
import type { TensorMap } from '@layermill/core'
import { openSource } from '@layermill/storage'
import type { MicroBatchGradients } from '@layermill/training'
import { testFolder } from '../../helpers/folders.js'
import { smallNetwork, train, type TrainOptions, type TrainResult } from './embedded.js'
import { writeShapes } from './shapes.js'

const folder = testFolder('learning')
let spec: Record<string, unknown>

beforeAll(async () => {
  const root = await folder()
  await writeShapes(join(root, 'shapes'), 120)
  await writeShapes(join(root, 'few'), 80)
  await writeShapes(join(root, 'held-out'), 40, { first: 1000 })
  spec = {
    ...smallNetwork,
    model: 'resnet50',
    layer: 'res2',
    batchNorm: 'batch',
    source: join(root, 'shapes'),
    validation: join(root, 'held-out'),
    base: 'full',
    epochs: 6,
    batchSize: 16,
    microBatch: 16,
    learningRate: 0.001,
    schedule: 'cosine',
  }
})

const accuracy = ({ lines }: TrainResult): number => lines.at(-1)!.validation!.accuracy!

/** Computes the run's gradients, none of the classifier's among them, and all of them times `sign`. */
function belowClassifier(openEngine: () => Promise<Engine>, sign: 1 | -1): TrainOptions['gradients'] {
  return async ({ provider, plan, store }) => {
    const engine = await openEngine()
    const model = (name: string, weights: string): ReturnType<ModelProvider['model']> => provider.model(name, weights)
    const { session } = await openTrainingSession({
      provider: { openEngine: async () => engine, model },
      store,
      openSource: source => openSource(source),
      readAhead: 4,
    })
    const local = new LocalGradients(session, plan.exchange)
    const still = (gradients: TensorMap): TensorMap =>
      new Map(
        [...gradients].map(([name, { shape, data }]) => [
          name,
          { shape, data: name.startsWith('fc/') ? new Float32Array(data.length) : data.map(value => sign * value) },
        ]),
      )
    return {
      publish: published => local.publish(published),
      async *gradients(step, count, signal): AsyncIterable<MicroBatchGradients> {
        for await (const part of local.gradients(step, count, signal)) yield { ...part, gradients: still(part.gradients) }
      },
      evaluate: (round, count, signal) => local.evaluate(round, count, signal),
      recycle: () => undefined,
      async close() {
        await local.close()
        await engine.close()
      },
    }
  }
}

describe('learning to tell shapes apart, from random weights', () => {
  it('reaches 0.95 on pictures that were not trained on', async () => {
    expect(accuracy(await train({ ...spec, out: join(await folder(), 'right') }))).toBeGreaterThanOrEqual(0.95)
  })
})

/**
 * A network with batch norm learns shapes on top of nearly any features, so that many a wrong rule goes unnoticed above. Here nothing but
 * the first convolution and its batch norm moves, below a random network that stays as it is, its classifier too: all that they learn by
 * has come down through every rule. Chance is 0.33. A wrong sign cancels out where it is on every path an even number of times, as with
 * batch norm up to res2/a: there it is another layer.
 */
describe('learning with the first layer alone', () => {
  const first = async (layer: string, openEngine: () => Promise<Engine>, sign: 1 | -1 = 1): Promise<number> => {
    const more = {
      layer,
      base: { conv1: 1, bn1: 1, '*': 0 },
      source: join(await folder(), 'few'),
      epochs: 3,
      batchSize: 8,
      microBatch: 8,
      learningRate: 0.01,
    }
    return accuracy(
      await train(
        { ...spec, ...more, out: join(await folder(), 'first'), overwrite: true },
        { gradients: belowClassifier(openEngine, sign) },
      ),
    )
  }

  it.each(['res2/a', 'res2/b1'])('reaches 0.75 up to %s with the rules as they are', async layer => {
    expect(await first(layer, () => openEngine())).toBeGreaterThanOrEqual(0.75)
  })

  it('stays below 0.6 where its own gradients have the wrong sign', async () => {
    expect(await first('res2/a', () => openEngine(), -1)).toBeLessThan(0.6)
  })

  it.each([
    ['linear', 'res2/a'],
    ['add', 'res2/a'],
    // Convolutions are joined with norms whose statistics are stored.
    ['convBatchNorm', 'res2/a'],
    ['maxPool', 'res2/a'],
    ['relu', 'res2/b1'],
    ['batchNorm', 'res2/b1'],
  ])('stays below 0.6 where the rule of %s is wrong, up to %s', async (op, layer) => {
    expect(await first(layer, () => openBrokenEngine(op))).toBeLessThan(0.6)
  })
})
