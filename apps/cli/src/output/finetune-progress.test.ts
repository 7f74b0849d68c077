import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { written } from './testing/written.js'
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

const steady = (imagesPerSecond: number) => ({ imagesPerSecond, isSteady: true })

describe('progress of fine-tuning', () => {
  it('shows epochs, steps, loss, accuracy, speed and the time left', () => {
    expect(finetuneLine(state, steady(60))).toBe('epoch 2/5 ███░░░░░░░ step 3/10 ███░░░░░░░ · loss 0.5123, 87.5% · 60 images/s · 20 s left')
    const scored = { ...state, phase: 'validate', step: 1, steps: 2 } as const
    expect(finetuneLine(scored, steady(60))).toBe('epoch 2/5 ████░░░░░░ held out 1/2 █████░░░░░ · loss 0.5123, 87.5% · 20 s left')
    const features = { phase: 'features', done: 5, total: 10, failed: 1 } as const
    expect(finetuneLine(features, steady(0))).toBe('features of the frozen base █████░░░░░ 5/10 · 1 failed')
    expect(finetuneLine(features, steady(2))).toBe('features of the frozen base █████░░░░░ 5/10 · 2.0 images/s · 2.5 s left · 1 failed')
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

  it('says of several targets how well each is met', () => {
    const heads = {
      species: { images: 4, loss: 0.5, accuracy: 0.75, macroF1: 0.5 },
      tags: { images: 3, loss: 0.25, accuracy: 0.5, meanAveragePrecision: 0.875 },
      weight_kg: { images: 5, loss: 1, mae: 1.5, r2: 0.25 },
    }
    const line = { epoch: 2, step: 6, learningRate: 1, gradientNorm: 1, training: { loss: 1 }, validation: { loss: 2, heads }, best: false }
    expect(epochLine(line)).toBe(
      'epoch 2: loss 1.0000 · held out: loss 2.0000, species 75.0%, tags mAP 87.5%, weight_kg MAE 1.500, R2 0.250',
    )
  })

  it('stays shorter than the terminal is wide', () => {
    const long = { ...state, epoch: 99, epochs: 100, step: 12_345, steps: 99_999, imagesLeft: 1e7 }
    for (const columns of [20, 40, 60, 80, 100, 120, 200]) {
      const line = finetuneLine(long, steady(60), columns)
      expect(line.length).toBeLessThan(columns)
      expect(line).toMatch(/^epoch 99\/100/)
    }
    expect(finetuneLine(state, steady(60), 80)).toBe('epoch 2/5 █░░░ step 3/10 █░░░ · loss 0.5123, 87.5% · 60 images/s · 20 s left')
    expect(finetuneLine(state, steady(60), 200)).toContain('step 3/10 ███░░░░░░░ ·')
  })

  it('leaves out whole parts where a terminal is narrow', () => {
    const features = { phase: 'features', done: 25, total: 75, failed: 0 } as const
    expect(finetuneLine(features, steady(12), 50)).toBe('features of the frozen base 25/75 · 4.2 s left')
    expect(finetuneLine(state, steady(60), 50)).toBe('epoch 2/5 · loss 0.5123, 87.5% · 20 s left')
    for (let columns = 20; columns < 100; columns++) {
      const line = finetuneLine(state, steady(60), columns)
      expect(line.length).toBeLessThan(columns)
      expect(line).toMatch(/(left|%|\d|░)$/)
    }
  })

  it('tells a time left once the work is steady: the first image waits for what is started', () => {
    const stream = new PassThrough()
    let time = 0
    const progress = new FinetuneProgress({ stream: stream as unknown as NodeJS.WriteStream, now: () => time, lineInterval: 0 })
    for (const [moment, done] of [
      [0, 0],
      [6000, 1],
      [7000, 21],
      [8000, 41],
    ] as const) {
      time = moment
      progress.update({ phase: 'features', done, total: 101, failed: 0 })
    }
    const lines = written(stream).trim().split('\n')
    expect(lines.map(line => /[\d.]+ m?s left/.exec(line)?.[0])).toEqual([undefined, undefined, undefined, '3.0 s left'])
  })

  it('tells the end of work whose line told less, once, where lines stay', () => {
    const stream = new PassThrough()
    let time = 0
    const progress = new FinetuneProgress({ stream: stream as unknown as NodeJS.WriteStream, now: () => time })
    for (const done of [0, 4, 8, 8]) {
      progress.update({ phase: 'features', done, total: 8, failed: 0 })
      time += 1000
    }
    expect(written(stream).match(/\d+\/8/g)).toEqual(['0/8', '8/8'])
  })

  it('redraws one line in place on a terminal, ten times a second at most, and makes way for other lines', () => {
    const stream = Object.assign(new PassThrough(), { isTTY: true, columns: 80 })
    let time = 0
    const progress = new FinetuneProgress({ stream: stream as unknown as NodeJS.WriteStream, now: () => time })
    for (let step = 1; step <= 10; step++) {
      progress.update({ ...state, step, images: step * 10 })
      time += 30
    }
    const drawn = written(stream)
    expect(
      drawn
        .split('\r\u001b[2K')
        .slice(1)
        .map(text => /step (\d+)/.exec(text)?.[1]),
    ).toEqual(['1', '5', '9', '10'])
    expect(drawn).not.toContain('\n')
    progress.clear()
    progress.finish()
    expect(written(stream)).toBe('\r\u001b[2K')
  })

  it('counts the speed of each kind of work by itself', () => {
    const stream = new PassThrough()
    let time = 0
    const progress = new FinetuneProgress({ stream: stream as unknown as NodeJS.WriteStream, now: () => time, lineInterval: 0 })
    const at = (moment: number, update: Parameters<typeof progress.update>[0]): void => {
      time = moment
      progress.update(update)
    }
    // Four images were there already.
    at(0, { phase: 'features', done: 4, total: 24, failed: 0 })
    at(1000, { phase: 'features', done: 14, total: 24, failed: 0 })
    at(2000, { phase: 'features', done: 0, total: 24, failed: 0 })
    at(3000, { phase: 'features', done: 5, total: 24, failed: 0 })
    at(9000, { ...state, images: 8 })
    at(10_000, { ...state, images: 16 })
    const speeds = written(stream)
      .trim()
      .split('\n')
      .map(text => /([\d.]+) images\/s/.exec(text)?.[1])
    expect(speeds).toEqual([undefined, '10', undefined, '5.0', undefined, '8.0'])
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
    const lines = written(stream).trim().split('\n')
    expect(lines).toHaveLength(5)
    expect(lines[3]).toContain('10 images/s')
    expect(lines[4]).toBe('epoch 2: loss 1.0000, 50.0%')
  })
})
