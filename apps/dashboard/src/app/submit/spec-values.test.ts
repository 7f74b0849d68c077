import { parseSpec, specJsonSchema } from '@layermill/contracts'
import { expect, it } from 'vitest'
import type { FieldsSchema } from './catalog.js'
import { toFields, toSpec, toValues } from './spec-values.js'

const propertiesOf = (kind: 'extract' | 'predict' | 'finetune'): FieldsSchema['properties'] =>
  (specJsonSchema(kind) as unknown as FieldsSchema).properties

it.each([
  {
    kind: 'extract',
    source: 's',
    model: 'vgg16',
    out: 'o',
    size: '320x256',
    layers: ['fc6', 'fc7'],
    maxErrors: 20,
    partSize: 16,
    update: true,
  },
  { kind: 'predict', source: 's', model: 'googlenet', top: 3, oversample: true, maxErrors: '2%' },
  {
    kind: 'finetune',
    source: 's',
    model: 'resnet50',
    out: 'o/{run}',
    head: [512, 256],
    base: 'res5=1,res4=0.1,*=0',
    schedule: 'step:2:0.1',
    augment: ['flip', 'crop'],
    register: { name: 'pets', margin: 0.05, heldOut: 'held' },
    classWeights: { cats: 2 },
    validation: 0.3,
    notify: ['https://hook.example/a', 'https://hook.example/b'],
  },
] as const)('shows a $kind spec as texts that stand for the same spec', given => {
  const spec = parseSpec(given)
  const properties = propertiesOf(given.kind)
  const values = toValues({ ...spec }, properties)
  expect(parseSpec(toSpec(given.kind, values, properties))).toEqual(spec)
  // Defaults are not written out: the form says what they are.
  expect(values).toMatchObject({ weights: '', autoOrient: '', device: '' })
})

it('leaves empty fields out, and hands on what is no JSON for the server to say', () => {
  expect(
    toFields(
      { source: ' s ', layers: '', top: '', size: '{3', register: '{"name":' },
      { ...propertiesOf('finetune'), ...propertiesOf('extract') },
    ),
  ).toEqual({ source: 's', size: '{3', register: '{"name":' })
})
