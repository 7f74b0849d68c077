import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { epochLine, finetuneLine, FinetuneProgress } from './finetune-progress.js'

const state = {
  phase: 'train',
  epoch: 2,
  epochs: 5,
  step: 3,
  steps: 10,
  images: 240,
  imagesLeft: 1200,
  loss: 0.51234,
  accuracy: 0.875,
} as const

describe('progress of fine-tuning', () => {
  it('shows epoch, step, loss, accuracy, speed and the time left', () => {
    expect(finetuneLine(state, 60)).toBe('epoch 2/5 ██████░░░░░░░░░░░░░░ step 3/10 · loss 0.5123 · 87.5% · 60 images/s · 20 s left')
    expect(finetuneLine({ phase: 'features', done: 5, total: 10, failed: 1 }, 0)).toBe(
      'features of the frozen base ██████████░░░░░░░░░░ 5/10 · 1 failed',
    )
    expect(
      epochLine({
        epoch: 1,
        step: 3,
        learningRate: 1,
        gradientNorm: 1,
        training: { loss: 1, accuracy: 0.5 },
        validation: { loss: 2, accuracy: 0.25, macroF1: 0 },
        best: true,
      }),
    ).toBe('epoch 1: loss 1.0000, 50.0% · held out: loss 2.0000, 25.0% (best)')
  })

  it('writes few lines where nobody watches, and one for every epoch', () => {
    const stream = new PassThrough()
    let time = 0
    const progress = new FinetuneProgress({ stream: stream as unknown as NodeJS.WriteStream, now: () => time })
    for (let i = 0; i < 20; i++) {
      progress.update({ ...state, images: i * 10 })
      time += 1000
    }
    progress.epoch({ epoch: 2, step: 3, learningRate: 1, gradientNorm: 1, training: { loss: 1, accuracy: 0.5 }, best: true })
    progress.finish()
    const lines = String(stream.read()).trim().split('\n')
    expect(lines).toHaveLength(5)
    expect(lines[3]).toContain('10 images/s')
    expect(lines[4]).toBe('epoch 2: loss 1.0000, 50.0%')
  })
})
