import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { TensorMap } from '@layermill/models'
import type { GradientSource, MicroBatchGradients } from '@layermill/training'
import { testFolder } from '../../helpers/folders.js'
import { smallNetwork, train, type TrainResult } from './embedded.js'
import { writeShapes } from './shapes.js'

const folder = testFolder('learning')
let spec: Record<string, unknown>

beforeAll(async () => {
  const root = await folder()
  await writeShapes(join(root, 'shapes'), 120)
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

/** Turns the sign of the gradients of some parameters: what one wrong rule would do. */
function flipped(source: GradientSource, isWrong: (name: string) => boolean): GradientSource {
  const flip = (gradients: TensorMap): TensorMap =>
    new Map([...gradients].map(([name, { shape, data }]) => [name, { shape, data: isWrong(name) ? data.map(value => -value) : data }]))
  return {
    publish: published => source.publish(published),
    async *gradients(step, count, signal): AsyncIterable<MicroBatchGradients> {
      for await (const part of source.gradients(step, count, signal)) yield { ...part, gradients: flip(part.gradients) }
    },
    evaluate: (round, count, signal) => source.evaluate(round, count, signal),
    recycle: () => undefined,
    close: () => source.close(),
  }
}

const accuracy = ({ lines }: TrainResult): number => lines.at(-1)!.validation!.accuracy

describe('learning to tell shapes apart, from random weights', () => {
  it('reaches 0.95 on pictures that were not trained on', async () => {
    expect(accuracy(await train({ ...spec, out: join(await folder(), 'right') }))).toBeGreaterThanOrEqual(0.95)
  })

  // A network with batch norm learns shapes in spite of a wrong sign in one base layer, or in the rules of pooling or batch norm: that each
  // of those is found is shown with the finite differences, in gradients.test.ts. These two rules it cannot do without.
  it.each([
    ["the linear layer's weights", /^fc\/W$/],
    ["convolutions' weights", /conv\d\/W$/],
  ])('stays below 0.8 where the gradients of %s have the wrong sign', async (rule, wrong) => {
    const wrap = (source: GradientSource): GradientSource => flipped(source, name => wrong.test(name))
    const out = join(await folder(), rule.replaceAll(/\W/g, '-'))
    const outcome = await train({ ...spec, out }, { wrap }).then(accuracy, (error: unknown) => String(error))
    // Where the loss overflows the run says so.
    if (typeof outcome === 'string') expect(outcome).toMatch(/is not a finite number/)
    else expect(outcome).toBeLessThan(0.8)
  })
})
