import type { RunDetail } from '@layermill/contracts'
import { expect, it } from 'vitest'
import { differencesOf } from './differences.js'

const run = (spec: object, identity: object): RunDetail => ({ spec, identity, versions: { node: '24' } }) as unknown as RunDetail

it('shows settings that differ, and what decides the numbers where no setting says it', () => {
  const a = run({ model: 'vgg16', out: '/a', size: { width: 64 }, epochs: 3 }, { model: 'vgg16', weights: 'abc' })
  const b = run({ model: 'resnet50', out: '/b', size: { width: 64 } }, { model: 'resnet50', weights: 'def' })
  expect(differencesOf([a, b])).toEqual([
    { setting: 'model', values: ['vgg16', 'resnet50'] },
    { setting: 'epochs', values: ['3', '–'] },
    { setting: 'used: weights', values: ['abc', 'def'] },
  ])
  expect(differencesOf([a, a])).toEqual([])
})
