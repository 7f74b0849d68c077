/** Several heads on one linear layer against PyTorch, whose numbers `mixed.py` made: in one batch, and in micro-batches that have other values. */
import { readFileSync } from 'node:fs'
import { type Engine, openEngine } from '@layermill/engines'
import { node, tinyNetwork } from '@layermill/engines/testing'
import type { Tensor } from '@layermill/core'
import { headLoss } from '@layermill/inference'
import type { Network } from '@layermill/models'
import { countHeads, GradientSum, mixedTargets, type MixedTargetSpec } from '@layermill/training'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const golden = JSON.parse(readFileSync(new URL('mixed.json', import.meta.url), 'utf8')) as {
  readonly loss: number
  readonly scores: readonly number[]
  readonly weight: readonly number[]
  readonly bias: readonly number[]
}
const [count, features, outputs] = [6, 4, 6]
const table = (rows: number, value: (i: number, j: number) => number): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length: rows * features }, (_, k) => value(Math.floor(k / features), k % features))
const x = table(count, (i, j) => (((7 * i + 3 * j) % 11) - 5) / 8)
const parameters = new Map<string, Tensor>([
  ['fc/W', { shape: [outputs, features], data: table(outputs, (i, j) => (((5 * i + 2 * j) % 7) - 3) / 4) }],
  ['fc/b', { shape: [outputs], data: Float32Array.from({ length: outputs }, (_, i) => (((3 * i) % 5) - 2) / 4) }],
])
const images = [
  { species: 'cat', tags: ['indoor'], weight_kg: [4] },
  { tags: [] },
  { species: 'fox' },
  { species: 'dog', tags: ['indoor', 'night'], weight_kg: [0.5] },
  { tags: ['night'] },
  { species: 'fox', weight_kg: [7] },
]
const rows = images.map((label, i) => ({ key: `${i}.jpg`, label: JSON.stringify(label) }))
const target: MixedTargetSpec = {
  kind: 'mixed',
  heads: [
    {
      name: 'species',
      classes: ['cat', 'dog', 'fox'],
      weight: 1,
      target: { kind: 'class', classWeights: [1, 0.5, 2], labelSmoothing: 0 },
    },
    { name: 'tags', classes: ['indoor', 'night'], weight: 2, target: { kind: 'multi-label', positiveWeights: [1.5, 0.75] } },
    // Standardised: 4, 0.5 and 7 kg are 0.5, -1.25 and 2.
    {
      name: 'weight_kg',
      classes: ['weight_kg'],
      weight: 0.5,
      target: { kind: 'regression', loss: 'mse', beta: 1, mean: [3], deviation: [2] },
    },
  ],
}
const nodes = [
  { name: 'features', op: 'input', inputs: [], attributes: { channels: 0, shape: [features] }, parameters: undefined } as const,
  node('linear', 'fc', ['features'], { inFeatures: features, outFeatures: outputs }),
]
const network: Network = { ...tinyNetwork([], [1, 1]), nodes, layers: new Map([['fc', 'fc']]), classifier: 'fc', classes: outputs }

const engines = [{ engine: 'onnx' }, { engine: 'tfjs', device: 'cpu-portable' }] as const

describe.each(engines)('several heads: $engine', options => {
  let opened: Engine
  beforeAll(async () => {
    opened = await openEngine({ ...options, threads: 1 })
  })
  afterAll(() => opened.close())

  it.each([[[6]], [[4, 2]], [[1, 2, 3]]])('is what PyTorch computes, in micro-batches of %j', async sizes => {
    const slices = target.heads.map(head => ({ outputs: head.classes.length, loss: headLoss(head.target) }))
    const trainer = await opened.trainer(network, parameters, { trainable: ['fc/W', 'fc/b'], loss: { kind: 'slices', slices } })
    const counts = countHeads(rows, target.heads)
    expect(counts).toEqual({ rows: 6, having: [4, 4, 3] })
    const sum = new GradientSum()
    const scores: number[] = []
    let [from, scored] = [0, 0]
    for (const [index, size] of sizes.entries()) {
      const part = (): { images: Tensor; labels: Int32Array; targets: Tensor } => ({
        images: { shape: [size, features], data: x.slice(from * features, (from + size) * features) },
        labels: new Int32Array(size),
        targets: mixedTargets(rows.slice(from, from + size), target, counts),
      })
      scored += (await trainer.evaluate(part())).loss
      const { logits, ...found } = await trainer.gradients(part())
      await sum.add(index, { ...found, samples: size })
      scores.push(...logits.data)
      from += size
    }
    const { gradients, loss } = await sum.mean()
    const near = (found: ArrayLike<number>, expected: readonly number[]): void =>
      expected.forEach((value, i) => expect(found[i]).toBeCloseTo(value, 6))
    near(scores, golden.scores)
    near([loss, scored / count], [golden.loss, golden.loss])
    near(gradients.get('fc/W')!.data, golden.weight)
    near(gradients.get('fc/b')!.data, golden.bias)
    await trainer.release()
  })
})
