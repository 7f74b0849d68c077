import { describe, expect, it } from 'vitest'
import { classLabels } from '@layermill/inference'
import { scorePredictions } from './score-predictions.js'

const names = ['ant', 'bee', 'cat', 'dog', 'eel', 'fox', 'gnu']
const predicted = (key: string, ...ranked: string[]) => ({
  key,
  classes: ranked.map((label, i) => ({ index: names.indexOf(label), label, probability: 0.9 / (i + 1) })),
})

describe('predictions of labelled images', () => {
  it('are counted by the likeliest class and by the five likeliest', () => {
    const images = [
      ['1', 'ant'],
      ['2', 'bee'],
      ['3', 'cat'],
      ['4', 'gnu'],
      ['5', 'ant'],
    ].map(([key, label]) => ({ key: key!, label: label! }))
    const found = scorePredictions(
      images,
      [
        predicted('1', 'ant', 'bee'),
        predicted('2', 'ant', 'bee'),
        predicted('3', 'cat'),
        predicted('4', 'ant', 'bee', 'cat', 'dog', 'eel', 'gnu'),
        predicted('other', 'ant'),
      ],
      names,
      'model',
    )
    // sklearn: accuracy_score, top_k_accuracy_score(k=5), f1_score(average='macro', labels=[0, 1, 2, 6]).
    expect(found).toMatchObject({ images: 4, accuracy: 0.5, top5: 0.75, macroF1: (0.5 + 0 + 1 + 0) / 4 })
    expect(found.mistakes.map(({ key, label, predicted: taken }) => [key, label, taken])).toEqual([
      ['2', 'bee', 'ant'],
      ['4', 'gnu', 'ant'],
    ])
    expect(found.classes.map(({ name, support }) => [name, support])).toEqual([
      ['ant', 1],
      ['bee', 1],
      ['cat', 1],
      ['dog', 0],
      ['eel', 0],
      ['fox', 0],
      ['gnu', 1],
    ])
  })

  it('may be of classes by number, and of some of very many', () => {
    const many = Array.from({ length: 1000 }, (_, i) => `class ${i}`)
    const classes = [{ index: 7, label: 'class 7', probability: 1 }]
    const found = scorePredictions(
      [
        { key: 'a', label: '7' },
        { key: 'b', label: 'class 900' },
      ],
      [
        { key: 'a', classes },
        { key: 'b', classes },
      ],
      many,
      'vgg16',
    )
    expect(found.classes.map(({ name }) => name)).toEqual(['class 7', 'class 900'])
    expect(found).toMatchObject({
      accuracy: 0.5,
      confusion: [
        [1, 0],
        [1, 0],
      ],
    })
    expect(() => scorePredictions([{ key: 'a', label: '1000' }], [], many, 'vgg16')).toThrow(/vgg16 has no class 1000/)
    expect(() => scorePredictions([{ key: 'a', label: 'crane' }], [], classLabels(1000), 'vgg16')).toThrow(
      'vgg16 has several classes called crane: 134, 517',
    )
  })
})
