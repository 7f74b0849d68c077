/** Promises of a trainer of any engine: gradients of the loss by its definition, whatever the batch, and the same ones every time. */
import { LayermillError, type Tensor } from '@layermill/core'
import { expect, it } from 'vitest'
import type { Engine } from '../engine.js'
import type { Gradients, Trainer, TrainerOptions, TrainingBatch } from '../trainer.js'
import { computeReference, crossEntropy } from '../self-check/operators/reference.js'
import { node, numbers, tinyImages, tinyNetwork, tinyWeights } from '../self-check/operators/tiny.js'

const classes = 3
const network = tinyNetwork(
  [
    node('conv', 'conv', ['input'], { outChannels: 6, kernel: [3, 3], stride: [1, 1], pad: [1, 1] }),
    node('batchNorm', 'bn', ['conv'], { epsilon: 1e-3, decay: 0.9 }),
    node('relu', 'relu', ['bn'], {}),
    node('maxPool', 'pool', ['relu'], { kernel: [3, 3], stride: [2, 2], pad: [0, 0], ceil: true }),
    node('conv', 'side', ['pool'], { outChannels: 6, kernel: [1, 1], stride: [1, 1], pad: [0, 0] }),
    node('add', 'sum', ['pool', 'side'], {}),
    node('dropout', 'drop', ['sum'], { ratio: 0.5 }),
    node('linear', 'scores', ['drop'], { inFeatures: 96, outFeatures: classes }),
  ],
  [8, 8],
)
const weights = tinyWeights(network)
const trainable = [...weights.keys()].filter(name => !/mean$|variance$/.test(name))

/** Images `from` to `to` of a batch of 5, each with its own labels and mask. */
function batch(from = 0, to = 5): TrainingBatch & { targets: Tensor; masks: Map<string, Tensor> } {
  const rows = (data: Float32Array, each: number): Float32Array<ArrayBuffer> => Float32Array.from(data.subarray(from * each, to * each))
  const count = to - from
  const mask = numbers(5 * 96, 21).map(value => (value < 0 ? 0 : 2))
  return {
    images: { shape: [count, 3, 8, 8], data: rows(tinyImages(5, [8, 8]).data, 192) },
    labels: Int32Array.of(0, 2, 1, 0, 2).slice(from, to),
    // Rows that sum to different numbers: class weights and label smoothing.
    targets: {
      shape: [count, classes],
      data: rows(
        numbers(5 * classes, 5).map(value => 1 + value / 2),
        classes,
      ),
    },
    masks: new Map([['drop', { shape: [count, 6, 4, 4], data: rows(mask, 96) }]]),
  }
}

/** The loss in float64 with some weights, as training computes it. */
function referenceLoss(parameters: ReadonlyMap<string, Tensor>, batchStatistics: boolean): number {
  const { images, targets, masks } = batch()
  const wide = ({ shape, data }: Tensor): { shape: readonly number[]; data: Float64Array } => ({ shape, data: Float64Array.from(data) })
  const options = { batchStatistics, masks: new Map([...masks].map(([name, mask]) => [name, wide(mask)] as const)) }
  return crossEntropy(computeReference(network.nodes, parameters, wide(images), options).get('scores')!, wide(targets))
}

/** The loss's slope along a direction of all parameters, by two losses in float64. */
function slope(direction: ReadonlyMap<string, Float32Array>, batchStatistics: boolean): number {
  const step = 1e-3
  const moved = (by: number): Map<string, Tensor> =>
    new Map(
      [...weights].map(([name, { shape, data }]) => [
        name,
        { shape, data: data.map((value, i) => value + by * (direction.get(name)?.[i] ?? 0)) },
      ]),
    )
  return (referenceLoss(moved(step), batchStatistics) - referenceLoss(moved(-step), batchStatistics)) / (2 * step)
}

const largest = (data: Float32Array): number => data.reduce((most, value) => Math.max(most, Math.abs(value)), 0)

async function withTrainer(
  engine: Engine,
  work: (trainer: Trainer) => Promise<void>,
  options: Partial<TrainerOptions> = {},
): Promise<void> {
  const trainer = await engine.trainer(network, weights, { trainable, ...options })
  try {
    await work(trainer)
  } finally {
    await trainer.release()
  }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof LayermillError ? error.code : String(error)),
  )
}

function gradientContract(engine: () => Engine): void {
  it.each(['frozen', 'batch'] as const)('gives the gradient of the loss, batch norm %s', batchNorm =>
    withTrainer(
      engine(),
      async trainer => {
        const { loss, gradients, batchNorm: statistics } = await trainer.gradients(batch())
        const expected = referenceLoss(weights, batchNorm === 'batch')
        expect(Math.abs(loss - expected) / expected).toBeLessThan(1e-5)
        expect([...gradients.keys()].sort()).toEqual(trainable.toSorted())
        expect([...statistics.keys()]).toEqual(batchNorm === 'batch' ? ['bn'] : [])
        for (const [i, name] of trainable.entries()) {
          const { data } = gradients.get(name)!
          // Along the gradient itself with its signs at random: no element can hide behind another.
          const direction = numbers(data.length, 40 + i).map((value, j) => Math.sign(data[j]!) * (0.5 + Math.abs(value)) * 0.05)
          const product = data.reduce((sum, value, j) => sum + value * direction[j]!, 0)
          const found = slope(new Map([[name, direction]]), batchNorm === 'batch')
          // A bias before batch norm of the batch's statistics has no effect.
          expect(Math.abs(product - found), name).toBeLessThan(2e-3 * Math.abs(found) + 2e-3)
        }
      },
      { batchNorm },
    ),
  )

  it("adds up: a batch's sums are those of its parts, one of them a single image", () =>
    withTrainer(engine(), async trainer => {
      const whole = await trainer.gradients(batch())
      const parts: Gradients[] = []
      for (const [from, to] of [
        [0, 3],
        [3, 4],
        [4, 5],
      ] as const)
        parts.push(await trainer.gradients(batch(from, to)))
      const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0)
      expect(sum(parts.map(({ loss }) => loss)) / whole.loss).toBeCloseTo(1, 5)
      expect(sum(parts.map(({ correct }) => correct))).toBe(whole.correct)
      for (const [name, { data }] of whole.gradients) {
        const worst = data.reduce(
          (most, value, i) => Math.max(most, Math.abs(value - sum(parts.map(({ gradients }) => gradients.get(name)!.data[i]!)))),
          0,
        )
        expect(worst / largest(data), name).toBeLessThan(1e-5)
      }
    }))

  it('gives the same bits for the same batch, also to trainers at once and into memory that is used again', async () => {
    const [one, two] = await Promise.all([0, 1].map(() => engine().trainer(network, weights, { trainable })))
    const [first, ...others] = await Promise.all([one!.gradients(batch()), two!.gradients(batch()), one!.gradients(batch())])
    const kept = structuredClone(first.gradients)
    for (const { gradients, loss } of [...others, await one!.gradients({ ...batch(), recycle: first.gradients })]) {
      expect(loss).toBe(first.loss)
      expect(gradients).toEqual(kept)
    }
    await Promise.all([one!.release(), two!.release(), two!.release()])
  })
}

/** A batch norm with stored statistics, joined with its convolution in some engines, before one with those of the batch. */
const twoNorms = tinyNetwork(
  [
    node('conv', 'conv1', ['input'], { outChannels: 4, kernel: [3, 3], stride: [1, 1], pad: [1, 1] }),
    node('batchNorm', 'bn1', ['conv1'], { epsilon: 1e-3, decay: 0.9 }),
    node('relu', 'relu1', ['bn1'], {}),
    node('conv', 'conv2', ['relu1'], { outChannels: 4, kernel: [3, 3], stride: [2, 2], pad: [1, 1] }),
    node('batchNorm', 'bn2', ['conv2'], { epsilon: 1e-3, decay: 0.9 }),
    node('linear', 'scores', ['bn2'], { inFeatures: 64, outFeatures: classes }),
  ],
  [8, 8],
)

function storedNormsContract(engine: () => Engine): void {
  const all = tinyWeights(twoNorms)
  const learning = [...all.keys()].filter(name => !/mean$|variance$/.test(name))

  it.each([
    { stored: 'bn1', moved: 'bn2' },
    { stored: 'bn2', moved: 'bn1' },
  ])("keeps the statistics of $stored while $moved has the batch's", async ({ stored, moved }) => {
    const trainer = await engine().trainer(twoNorms, all, { trainable: learning, batchNorm: 'batch', storedNorms: [stored] })
    try {
      const { images, labels, targets } = batch()
      const doubled = { shape: images.shape, data: Float64Array.from(images.data) }
      const loss = (by: number, direction: ReadonlyMap<string, Float32Array>): number => {
        const at = new Map(
          [...all].map(([name, { shape, data }]) => [
            name,
            { shape, data: data.map((value, i) => value + by * (direction.get(name)?.[i] ?? 0)) },
          ]),
        )
        const scores = computeReference(twoNorms.nodes, at, doubled, { batchStatistics: norm => norm === moved }).get('scores')!
        return crossEntropy(scores, { shape: targets.shape, data: Float64Array.from(targets.data) })
      }
      const expected = loss(0, new Map())
      const result = await trainer.gradients({ images, labels, targets })
      expect(result.loss / expected).toBeCloseTo(1, 5)
      expect([...result.batchNorm.keys()]).toEqual([moved])
      for (const [i, name] of learning.entries()) {
        const { data } = result.gradients.get(name)!
        const direction = new Map([
          [name, numbers(data.length, 60 + i).map((value, j) => Math.sign(data[j]!) * (0.5 + Math.abs(value)) * 0.05)],
        ])
        const product = data.reduce((sum, value, j) => sum + value * direction.get(name)![j]!, 0)
        const found = (loss(1e-3, direction) - loss(-1e-3, direction)) / 2e-3
        expect(Math.abs(product - found), name).toBeLessThan(2e-3 * Math.abs(found) + 2e-3)
      }
      await expect(trainer.setParameters(new Map([[`${stored}/mean`, all.get(`${stored}/mean`)!]]))).rejects.toMatchObject({
        code: 'PARAMETER_UNKNOWN',
      })
    } finally {
      await trainer.release()
    }
  })
}

/** @param engine the one under test, open while tests run */
export function trainingContract(engine: () => Engine): void {
  gradientContract(engine)
  storedNormsContract(engine)

  it('evaluates as an extractor computes, with the parameters as last set', () =>
    withTrainer(engine(), async trainer => {
      const { images, labels, targets } = batch()
      const before = await trainer.evaluate({ images, labels, targets })
      const extractor = await engine().extractor(network, weights, ['scores'])
      const scores = (await extractor.run(batch().images)).get('scores')!
      await extractor.release()
      for (const [i, value] of scores.data.entries())
        expect(Math.abs(before.logits.data[i]! - value) / largest(scores.data)).toBeLessThan(1e-5)
      await trainer.setParameters(new Map([['scores/b', { shape: [classes], data: Float32Array.of(0, 1e4, 0) }]]))
      expect((await trainer.evaluate({ images: batch().images, labels: new Int32Array(5).fill(1) })).correct).toBe(5)
    }))

  it('starts at a layer, and differentiates no more than it must', () =>
    withTrainer(engine(), async whole => {
      const extractor = await engine().extractor(network, weights, ['sum'])
      const values = (await extractor.run(batch().images)).get('sum')!
      await extractor.release()
      const expected = await whole.gradients(batch())
      await withTrainer(
        engine(),
        async trainer => {
          const { gradients, loss } = await trainer.gradients({ ...batch(), images: values })
          expect(loss / expected.loss).toBeCloseTo(1, 5)
          const [found, wanted] = [gradients.get('scores/W')!.data, expected.gradients.get('scores/W')!.data]
          expect(wanted.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i]!)), 0) / largest(wanted)).toBeLessThan(1e-5)
        },
        { trainable: ['scores/W'], start: 'sum' },
      )
    }))

  it('refuses what does not fit, by name', () =>
    withTrainer(engine(), async trainer => {
      expect(await codeOf(trainer.gradients({ ...batch(), labels: Int32Array.of(0) }))).toBe('INPUT_SHAPE')
      expect(await codeOf(trainer.gradients({ ...batch(), labels: new Int32Array(5).fill(classes) }))).toBe('LABEL_INVALID')
      expect(await codeOf(trainer.gradients({ ...batch(), masks: new Map() }))).toBe('INPUT_SHAPE')
      expect(await codeOf(trainer.setParameters(new Map([['scores/b', { shape: [2], data: new Float32Array(2) }]])))).toBe('WEIGHTS_SHAPE')
      expect(await codeOf(trainer.setParameters(new Map([['nowhere/b', { shape: [2], data: new Float32Array(2) }]])))).toBe(
        'PARAMETER_UNKNOWN',
      )
      expect(await codeOf(engine().trainer(network, weights, { trainable: ['nowhere/W'] }))).toBe('PARAMETER_UNKNOWN')
      expect(await codeOf(engine().trainer(network, weights, { trainable, start: 'nowhere' }))).toBe('LAYER_UNKNOWN')
      expect((await trainer.gradients(batch())).gradients.size).toBe(trainable.length)
    }))

  it("leaves the caller's weights as they were, and is gone once released", async () => {
    const before = structuredClone(weights)
    const trainer = await engine().trainer(network, weights, { trainable })
    await trainer.gradients(batch())
    await trainer.release()
    expect(weights).toEqual(before)
    expect(await codeOf(trainer.gradients(batch()))).toBe('ENGINE_CLOSED')
  })
}
