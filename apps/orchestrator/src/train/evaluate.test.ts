import type { TrainingPlan } from '@layermill/contracts'
import type { GradientSource, MicroBatchScores } from '@layermill/training'
import { describe, expect, it } from 'vitest'
import { evaluateRows } from './evaluate.js'

async function evaluate(labels: readonly string[], scores: readonly (readonly number[])[]) {
  const classes = ['ant', 'bee', 'cat']
  const rows = labels.map((label, i) => ({ key: `${i}.jpg`, label, etag: '', bytes: 1 }))
  const source: Pick<GradientSource, 'evaluate'> = {
    async *evaluate(): AsyncGenerator<MicroBatchScores> {
      yield { samples: rows.length, loss: 0, correct: 0, logits: { shape: [rows.length, 3], data: Float32Array.from(scores.flat()) } }
    },
  }
  return evaluateRows({
    plan: { classes, microBatch: 8 } as unknown as TrainingPlan,
    rows,
    source: source as GradientSource,
    epoch: 1,
    signal: new AbortController().signal,
    onPiece: () => undefined,
  })
}

describe('mistakes on held-out images', () => {
  it('have a finite loss, and come in its order, however sure the network was', async () => {
    const { mistakes } = await evaluate(
      ['ant', 'bee', 'cat'],
      [
        [0, 1000, 0],
        [3000, 0, 0],
        [2, 1, 0],
      ],
    )
    expect(mistakes.map(({ key, loss }) => [key, loss])).toEqual([
      ['1.jpg', 3000],
      ['0.jpg', 1000],
      ['2.jpg', expect.closeTo(2.4076, 4) as number],
    ])
    expect(mistakes[0]).toMatchObject({ label: 'bee', predicted: 'ant', probability: 1 })
  })

  it('leave classes out of the mean F1 that no held-out image has', async () => {
    const { summary } = await evaluate(
      ['ant', 'bee'],
      [
        [5, 0, 0],
        [0, 5, 0],
      ],
    )
    expect(summary).toMatchObject({ accuracy: 1, macroF1: 1 })
  })
})
