import { FinetuneSpec } from '@layermill/contracts'
import { type Tensor, elementCount } from '@layermill/core'
import { fineTunedNetwork, getNetwork, parameterShapes } from '@layermill/models'
import { describe, expect, it } from 'vitest'
import { continuedNetwork, headNotes, startingHead } from './continued-head.js'
import { featuresLayer, trainedNetwork, trainingPlan } from './plan.js'

const spec = (more: Record<string, unknown> = {}): FinetuneSpec =>
  FinetuneSpec.parse({ kind: 'finetune', source: 'a', out: 'b', model: './pets', ...more })
const pets = fineTunedNetwork(getNetwork('resnet50'), { layer: 'pool5', head: [{ units: 4, dropout: 0.25 }], classes: ['cat', 'dog'] })
/** Each value tells its tensor and place. */
const values = (network: typeof pets): Map<string, Tensor> =>
  new Map(
    [...parameterShapes(network)]
      .filter(([name]) => /^(fc|hidden1|loss\d_fc)/.test(name))
      .map(([name, shape], t) => [name, { shape, data: Float32Array.from({ length: elementCount(shape) }, (_, i) => 1000 * (t + 1) + i) }]),
  )

describe('the head of a fine-tuned model', () => {
  it('is gone on with unless a layer or another head is named', () => {
    expect(continuedNetwork(spec(), pets)).toBe(pets)
    expect(continuedNetwork(spec({ head: [4] }), pets)).toBe(pets)
    expect(continuedNetwork(spec({ head: [8] }), pets)).toBeUndefined()
    expect(continuedNetwork(spec({ layer: 'pool5' }), pets)).toBeUndefined()
    expect(continuedNetwork(spec(), getNetwork('resnet50'))).toBeUndefined()
    expect(trainedNetwork(spec(), pets, ['dog', 'cat'])).toMatchObject({
      id: 'resnet50@pool5',
      classNames: ['cat', 'dog'],
      base: { id: 'resnet50' },
    })
    expect(trainedNetwork(spec({ layer: 'res4' }), pets, ['a', 'b'])).toMatchObject({ base: { id: 'resnet50@pool5' } })
    expect(featuresLayer(spec(), pets)).toBe('pool5')
  })

  it('keeps all its numbers, and takes rows of new classes in behind them', () => {
    const tensors = values(pets)
    const same = startingHead(spec(), trainedNetwork(spec(), pets, ['dog', 'cat']), pets, tensors)
    expect(same).toEqual(tensors)
    const longer = trainedNetwork(spec(), pets, ['owl', 'dog'])
    expect(longer.classNames).toEqual(['cat', 'dog', 'owl'])
    const head = startingHead(spec(), longer, pets, tensors)
    expect(head.get('hidden1/W')).toEqual(tensors.get('hidden1/W'))
    expect(head.get('fc/W')!.shape).toEqual([3, 4])
    expect(head.get('fc/W')!.data.subarray(0, 8)).toEqual(tensors.get('fc/W')!.data)
    expect(Math.max(...head.get('fc/W')!.data.subarray(8).map(Math.abs))).toBeLessThan(10)
    expect([...head.get('fc/b')!.data]).toEqual([...tensors.get('fc/b')!.data, 0])
    // A new head starts from the seed alone.
    const anew = trainedNetwork(spec({ layer: 'res4' }), pets, ['cat', 'dog'])
    expect(
      startingHead(spec({ layer: 'res4' }), anew, pets, tensors)
        .get(`${anew.classifier}/W`)!
        .data.every(value => Math.abs(value) < 10),
    ).toBe(true)
  })

  it('also where it replaced the classifier itself, whose auxiliary ones go where they are not asked for', () => {
    const shapes = fineTunedNetwork(getNetwork('googlenet'), { layer: 'loss3_fc', classes: ['a', 'b'], auxiliary: true })
    const alone = trainedNetwork(spec({ base: 'full' }), shapes, ['a', 'b', 'c'])
    expect(alone.classifiers).toEqual(['loss3_fc'])
    const all = trainedNetwork(spec({ base: 'full', auxiliary: true }), shapes, ['a', 'b', 'c'])
    expect(all.classifiers).toEqual(['loss3_fc', 'loss1_fc2', 'loss2_fc2'])
    const tensors = values(shapes)
    for (const name of ['loss3_fc', 'loss1_fc2']) {
      expect([...startingHead(spec({ base: 'full', auxiliary: true }), all, shapes, tensors).get(`${name}/b`)!.data].slice(0, 2)).toEqual([
        ...tensors.get(`${name}/b`)!.data,
      ])
    }
  })

  it('is refused at a size that its flattened maps do not fit', () => {
    const flat = fineTunedNetwork(getNetwork('resnet50'), { layer: 'res5', classes: ['cat', 'dog'] })
    expect(() => trainedNetwork(spec({ size: '320x320' }), flat, ['cat', 'dog'])).toThrow(
      /fc\/W of the model's head is 2x100352, expected 2x204800/,
    )
  })

  it('says what becomes of it', () => {
    expect(headNotes(spec(), pets, ['cat', 'owl'])).toEqual([
      'going on with the head of ./pets, with new classes: owl',
      'no image here is of dog: it stays a class of the model (--layer makes a new head)',
    ])
    expect(headNotes(spec({ layer: 'res4' }), pets, ['cat', 'dog'])).toEqual(['a new head: that of ./pets is left behind'])
    expect(headNotes(spec({ model: 'resnet50' }), getNetwork('resnet50'), ['cat'])).toEqual([])
  })

  it("makes a plan whose classes are the model's and the new ones", () => {
    const rows = ['owl', 'dog'].map(label => ({ key: label, label, etag: '', bytes: 1 }))
    const plan = trainingPlan({
      run: 'r',
      spec: spec(),
      base: pets,
      classes: ['dog', 'owl'],
      training: rows,
      validation: [],
      datasetSha256: '',
    })
    expect(plan).toMatchObject({ classes: ['cat', 'dog', 'owl'], trainable: ['hidden1/W', 'hidden1/b', 'fc/W', 'fc/b'], features: 'pool5' })
  })
})
