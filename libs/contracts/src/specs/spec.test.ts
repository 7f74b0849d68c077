import { LayermillError, redact, redactQueueUrl } from '@layermill/core'
import { describe, expect, it } from 'vitest'
import {
  baseScales,
  isFrozen,
  maxErrorsAllowed,
  parseAugment,
  parseBase,
  parseBatchSize,
  parseCacheSize,
  parseHead,
  parseLayers,
  parseMaxErrors,
  parsePartSize,
  parseSchedule,
  parseSize,
  parseImageTimeout,
  parseMaxBytes,
  parseValidation,
} from './spec-text.js'
import { FinetuneSpec, parseSpec, specFields, specJsonSchema } from './spec.js'

const extract = { kind: 'extract', source: './photos', model: 'resnet50', out: './features' }
const predict = { kind: 'predict', source: './photos', model: 'googlenet' }
const finetune = { kind: 'finetune', source: './pets', model: 'resnet50', out: './models/pets' }

function refusal(input: unknown): string {
  try {
    parseSpec(input)
  } catch (error) {
    if (error instanceof LayermillError && error.code === 'SPEC_INVALID') return error.message
    throw error
  }
  return 'accepted'
}

describe('defaults', () => {
  it('takes what to do with values that overflow, and leaves it out where nothing is said', () => {
    expect(parseSpec({ ...extract, onOverflow: 'warn' })).toMatchObject({ onOverflow: 'warn' })
    expect(parseSpec(extract)).not.toHaveProperty('onOverflow')
    expect(() => parseSpec({ ...extract, onOverflow: 'clip' })).toThrow(/onOverflow: got "clip", expected one of fail, warn/)
  })

  it('fills in an extraction', () => {
    expect(parseSpec(extract)).toEqual({
      ...extract,
      weights: 'imagenet',
      autoOrient: false,
      device: 'auto',
      engine: 'onnx',
      maxErrors: '1%',
      overwrite: false,
      plan: false,
      pool: 'none',
      dtype: 'float32',
      format: 'npy',
      update: false,
      selfCheck: false,
      partSize: 'auto',
      batchSize: 'auto',
      precision: 'fp32',
      retryFailed: false,
    })
  })

  it('fills in a fine-tuning, with the rate of its optimizer and a micro-batch that fits', () => {
    const spec = FinetuneSpec.parse(finetune)
    expect(spec).toMatchObject({
      head: [],
      base: 'frozen',
      batchNorm: 'frozen',
      auxiliary: false,
      optimizer: 'adam',
      learningRate: 0.001,
      schedule: { kind: 'constant' },
      epochs: 5,
      batchSize: 32,
      microBatch: 8,
      augment: [],
      validation: 0.1,
      seed: 0,
      exchange: 'float32',
    })
    expect(FinetuneSpec.parse({ ...finetune, optimizer: 'momentum', batchSize: 4 })).toMatchObject({ learningRate: 0.01, microBatch: 4 })
  })

  it.each([
    extract,
    predict,
    finetune,
    { ...extract, size: '320x256', layers: 'res4,pool5', maxErrors: '2.50%', partSize: '512', batchSize: '16' },
    { ...extract, cache: 's3://bucket/cache', cacheSize: '20GB' },
    { ...finetune, head: '512,256', base: 'scaled:0.1', schedule: 'step:2:0.1', augment: 'crop,flip', validation: '0.2' },
    { ...finetune, base: 'res5=1,res4=0.1,*=0', schedule: 'cosine', validation: './held-out', head: 512, classWeights: { cat: 2 } },
  ])('is idempotent: %j', input => {
    const once = parseSpec(input)
    expect(parseSpec(structuredClone(once))).toEqual(once)
    expect(parseSpec(JSON.parse(JSON.stringify(once)))).toEqual(once)
  })
})

describe('texts of flags', () => {
  it('become fields', () => {
    expect(parseSize('320x256')).toEqual({ width: 320, height: 256 })
    expect(parseSize('keep')).toBe('keep')
    expect(parseSize('64')).toEqual({ width: 64, height: 64 })
    expect(parseSpec({ ...extract, size: 64 })).toMatchObject({ size: { width: 64, height: 64 } })
    expect(parseSpec({ ...extract, layers: 'layer4' })).toMatchObject({ layers: ['res5'] })
    expect(parseMaxErrors('20')).toBe(20)
    expect(parseMaxErrors('2.50%')).toBe('2.5%')
    expect(parsePartSize('auto')).toBe('auto')
    expect(parsePartSize('512')).toBe(512)
    expect(parseBatchSize('8')).toBe(8)
    expect(['20GB', '1.5T', '500 mb', '1000000'].map(parseCacheSize)).toEqual([20e9, 1.5e12, 500e6, 1e6])
    expect(parseLayers('res4, pool5')).toEqual(['res4', 'pool5'])
    expect(parseHead('512,256')).toEqual([512, 256])
    expect(parseHead('none')).toEqual([])
    expect(parseBase('scaled:0.1')).toEqual({ '*': 0.1 })
    expect(parseBase('res5=1,res4:0.1,*=0')).toEqual({ res5: 1, res4: 0.1, '*': 0 })
    expect(parseSchedule('step:2:0.5')).toEqual({ kind: 'step', everyEpochs: 2, factor: 0.5 })
    expect(parseSchedule('cosine:0.01')).toEqual({ kind: 'cosine', floor: 0.01 })
    expect(parseAugment('color,flip')).toEqual(['flip', 'color'])
    expect(parseValidation('0.25')).toBe(0.25)
    expect([parseMaxBytes('512MiB'), parseMaxBytes('100MB'), parseMaxBytes('7')]).toEqual([2 ** 29, 1e8, 7])
    expect([parseImageTimeout('60'), parseImageTimeout('90s'), parseImageTimeout('500ms'), parseImageTimeout('2m')]).toEqual([
      60, 90, 0.5, 120,
    ])
    expect(parseValidation('s3://b/held-out')).toBe('s3://b/held-out')
  })

  it.each([
    ['size', () => parseSize('0x256')],
    ['size', () => parseSize('320px')],
    ['size', () => parseSize('99999x1')],
    ['maxErrors', () => parseMaxErrors('101%')],
    ['maxErrors', () => parseMaxErrors('-1')],
    ['maxErrors', () => parseMaxErrors('few')],
    ['partSize', () => parsePartSize('0')],
    ['batchSize', () => parseBatchSize('1.5')],
    ['cacheSize', () => parseCacheSize('999999')],
    ['cacheSize', () => parseCacheSize('10 GiB')],
    ['layers', () => parseLayers('a,a')],
    ['layers', () => parseLayers(' , ')],
    ['head', () => parseHead('1,2,3')],
    ['head', () => parseHead('0')],
    ['base', () => parseBase('warm')],
    ['base', () => parseBase('scaled:-1')],
    ['base', () => parseBase('res5=x')],
    ['schedule', () => parseSchedule('step:2')],
    ['schedule', () => parseSchedule('cosine:2')],
    ['augment', () => parseAugment('flip,blur')],
    ['maxBytes', () => parseMaxBytes('3GiB')],
    ['maxBytes', () => parseMaxBytes('0')],
    ['maxBytes', () => parseMaxBytes('1.5MiB')],
    ['imageTimeout', () => parseImageTimeout('0')],
    ['imageTimeout', () => parseImageTimeout('2d')],
    ['validation', () => parseValidation('0.95')],
    ['validation', () => parseValidation('-1')],
  ])('that make no sense are refused by name: %s', (name, parse) => {
    expect(parse).toThrow(LayermillError)
    expect(parse).toThrow(new RegExp(`^${name}: got .*, expected `))
  })

  it('have helpers', () => {
    expect(maxErrorsAllowed('1%', 250)).toBe(2)
    expect(maxErrorsAllowed('0.1%', 1000)).toBe(1)
    expect(maxErrorsAllowed(7, 3)).toBe(7)
    expect(baseScales('full')).toEqual({ '*': 1 })
    expect(baseScales({ res5: 1 })).toEqual({ res5: 1, '*': 0 })
    expect(isFrozen({ res5: 0 })).toBe(true)
    expect(isFrozen({ res5: 0.1 })).toBe(false)
  })
})

describe('several targets', () => {
  const mixed = { ...finetune, targets: 'species:class, tags:multi-label,weight_kg:regression:0.5' }

  it('are columns with their kinds and factors, and make the target mixed', () => {
    const spec = parseSpec(mixed)
    const targets = [
      { name: 'species', kind: 'class' },
      { name: 'tags', kind: 'multi-label' },
      { name: 'weight_kg', kind: 'regression', weight: 0.5 },
    ]
    expect(spec).toMatchObject({ target: 'mixed', targets, labelColumns: ['species', 'tags', 'weight_kg'] })
    expect(parseSpec(spec)).toEqual(spec)
    expect(parseSpec({ ...finetune, targets })).toEqual(spec)
    expect(parseSpec({ ...mixed, loss: 'smooth-l1', labelSmoothing: 0.1, classWeights: 'balanced' })).toMatchObject({ loss: 'smooth-l1' })
  })

  it.each([
    [{ targets: 'species:class' }, /targets: got "species:class", expected two columns or more/],
    [{ targets: undefined, target: 'mixed' }, /targets: got nothing, expected two columns or more/],
    [
      { targets: 'species:class,weight:number' },
      /targets: got "species:class,weight:number", expected two or more columns and their kinds/,
    ],
    [{ targets: 'a:class,b:regression:0' }, /targets: got "a:class,b:regression:0", expected two or more columns/],
    [{ targets: [{ name: 'a/b', kind: 'class' }] }, /targets/],
    [{ targets: 'Species:class,species:regression' }, /each column once: species is named twice/],
    [{ target: 'regression' }, /target: got "regression", expected mixed with targets/],
    [{ labelColumns: 'species' }, /labelColumns: got "species", expected none with targets/],
    [{ targets: 'a:class,b:multi-label', loss: 'mse' }, /loss: got "mse", expected a target of kind regression/],
    [{ targets: 'a:regression,b:multi-label', labelSmoothing: 0.1 }, /labelSmoothing: got 0.1, expected 0 without a target of kind class/],
    [{ sampling: 'balanced' }, /sampling: got "balanced", expected each with several targets/],
    [{ classWeights: { cat: 2 } }, /classWeights: .*expected none or balanced with several targets/],
    [{ targets: 'a:regression,b:regression', classWeights: 'balanced' }, /classWeights: got "balanced", expected none where all/],
    [{ model: 'googlenet', auxiliary: true, base: 'full' }, /auxiliary: got true, expected false with several targets/],
    [{ relabel: 'audit.csv' }, /relabel: got "audit.csv", expected none with several labels, numbers or targets/],
  ])('are refused with %j', (fields, message) => {
    expect(refusal({ ...mixed, ...fields })).toMatch(message)
  })
})

describe('refusals', () => {
  it('name the field, what was given and what was expected', () => {
    expect(refusal({ ...extract, dtype: 'float64' })).toBe('dtype: got "float64", expected one of float32, float16; did you mean float32?')
    expect(refusal({ ...extract, size: '3x' })).toBe('size: got "3x", expected WIDTHxHEIGHT in pixels from 1 to 16384, as 320x256, or keep')
    expect(refusal({ ...extract, out: undefined })).toBe('out: got nothing, expected a path or URL')
    expect(refusal({ ...predict, top: 0 })).toBe('top: got 0, expected a whole number from 1 to 1000')
    expect(refusal({ ...predict, top: 1.5 })).toBe('top: got 1.5, expected a whole number from 1 to 1000')
    expect(refusal({ ...predict, out: 'x.txt' })).toBe('out: got "x.txt", expected a file name that ends in .csv or .jsonl')
    expect(refusal({ ...extract, weights: 'random:x' })).toContain('expected imagenet, random, random:SEED, a file or a URL')
    expect(refusal({ kind: 'train' })).toBe('kind: got "train", expected one of extract, predict, finetune')
    expect(refusal(null)).toBe('kind: got nothing, expected one of extract, predict, finetune')
    expect(refusal([])).toContain('kind: got nothing')
  })

  it('suggest the field that was meant', () => {
    expect(refusal({ ...extract, 'batch-size': 4 })).toBe('batch-size: unknown field; did you mean batchSize?')
    expect(refusal({ ...extract, layer: 'fc7' })).toBe('layer: unknown field; did you mean layers?')
    expect(refusal({ ...extract, colour: 1 })).toBe('colour: unknown field')
    expect(refusal({ ...extract, epochs: 5 })).toBe('epochs: unknown field')
  })

  it.each([
    [{ ...extract, update: true, overwrite: true }, 'update'],
    [{ ...extract, update: true, retryFailed: true }, 'update'],
    [{ ...extract, overwrite: true, retryFailed: true }, 'retryFailed'],
    [{ ...extract, precision: 'int8', engine: 'tfjs' }, 'precision'],
    [{ ...extract, precision: 'fp16', engine: 'tfjs' }, 'precision'],
    [{ ...extract, out: './photos' }, 'out'],
    [{ ...extract, cache: './features' }, 'cache'],
    [{ ...finetune, cache: './pets' }, 'cache'],
    [{ ...predict, cacheSize: '5GB' }, 'cacheSize'],
    [{ ...extract, layers: ['a', 'a'] }, 'layers'],
    [{ ...extract, layers: [] }, 'layers'],
    [{ ...predict, oversample: true, size: 'keep' }, 'size'],
    [{ ...predict, retryFailed: true }, 'retryFailed'],
    [{ ...finetune, auxiliary: true, base: 'full' }, 'auxiliary'],
    [{ ...finetune, model: 'googlenet', auxiliary: true }, 'auxiliary'],
    [{ ...finetune, model: 'googlenet', auxiliary: true, base: 'full', head: [4] }, 'head'],
    [{ ...finetune, batchSize: 4, microBatch: 8 }, 'microBatch'],
    [{ ...finetune, size: 'keep' }, 'size'],
    [{ ...finetune, warmupEpochs: 6 }, 'warmupEpochs'],
    [{ ...finetune, validation: 0, earlyStopping: 2 }, 'earlyStopping'],
    [{ ...finetune, seed: -1 }, 'seed'],
    [{ ...finetune, learningRate: 0 }, 'learningRate'],
    [{ ...finetune, base: {} }, 'base'],
  ])('check fields together: %j', (input, field) => {
    expect(refusal(input)).toMatch(new RegExp(`^${field}: got .+, expected .+`))
  })

  it.each([
    [extract, 'source'],
    [extract, 'out'],
    [extract, 'cache'],
    [extract, 'model'],
    [extract, 'weights'],
    [predict, 'source'],
    [predict, 'cache'],
    [predict, 'model'],
    [predict, 'weights'],
    [finetune, 'source'],
    [finetune, 'out'],
    [finetune, 'cache'],
    [finetune, 'model'],
    [finetune, 'weights'],
    [finetune, 'validation'],
    [finetune, 'register.root'],
    [finetune, 'register.heldOut'],
  ])('are for .. in a place of a bucket: %j, %s', (spec, field) => {
    const given = (place: string): string => {
      const [group, name] = field.split('.')
      return refusal({ ...spec, ...(name === undefined ? { [field]: place } : { [group!]: { name: 'pets', [name]: place } }) })
    }
    for (const place of ['s3://bucket/team/../others/x', 'S3://bucket/..', 's3://../bucket/x', 's3://bucket/{a,b}/../c/*.jpg']) {
      expect(given(place)).toBe(`${field}: got ${JSON.stringify(place)}, expected a place of a bucket without .. in it`)
    }
    for (const place of ['s3://bucket/a..b/x', 's3://bucket/team/...', '../here']) expect(given(place)).toBe('accepted')
  })

  it('are for .. in a bucket of predictions and of lists', () => {
    expect(refusal({ ...predict, out: 's3://bucket/a/../classes.csv' })).toMatch(
      /^out: got .+, expected a place of a bucket without \.\. in it/,
    )
    for (const list of ['list.csv', 'list.jsonl', 'list.txt'])
      expect(refusal({ ...extract, source: `s3://bucket/a/../${list}` })).toMatch(/^source: got .+ without \.\. in it/)
  })

  it('keep credentials out of specs and of messages', () => {
    for (const url of [
      'https://me:hunter2@host/x',
      's3://AKIA:hunter2@bucket/x',
      'https://host/x?X-Amz-Signature=hunter2',
      'redis://:hun/ter2@host',
    ]) {
      for (const field of ['source', 'weights', 'out', 'model', 'cache']) {
        const message = refusal({ ...extract, [field]: url })
        expect(message).toContain(`${field}: got`)
        expect(message).toContain('without credentials')
        expect(message).not.toMatch(/hunter2|ter2/)
      }
    }
    for (const query of [
      'api_key=hunter2',
      'X-Goog-Signature=hunter2',
      'AWSAccessKeyId=AKIA&Signature=hunter2',
      'code=hunter2',
      'hunter2',
      'download=true&t=hunter2',
      'auth[key]=hunter2',
    ]) {
      for (const field of ['weights', 'model', 'notify']) {
        const message = refusal({ ...extract, [field]: `https://host/w.npz?${query}` })
        expect(message).toContain(`${field}`)
        expect(message).toContain('without credentials')
        expect(message).not.toMatch(/hunter2/)
      }
    }
    for (const weights of ['https://host/w.npz?download=true', 'https://host/get?file=w.npz&v=3', 'https://host/w.npz']) {
      expect(parseSpec({ ...extract, weights })).toMatchObject({ weights })
    }
    expect(refusal({ ...finetune, validation: 'https://me:hunter2@host/x' })).toMatch(/^validation: got "https:\/\/\*\*\*@host\/x"/)
    expect(parseSpec({ ...extract, source: 's3://bucket/a@b/{0..9}.tar' })).toMatchObject({ source: 's3://bucket/a@b/{0..9}.tar' })
  })

  it('stay short whatever is given', () => {
    const hostile = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`.repeat(50), 'x'.repeat(100)]))
    expect(refusal({ ...extract, ...hostile }).length).toBeLessThan(2000)
    expect(refusal({ ...extract, dtype: { deep: 'x'.repeat(1e6) } }).length).toBeLessThan(300)
    expect(refusal(JSON.parse(`{"kind":"extract","__proto__":{"source":"x"}}`))).toContain('source: got nothing')
  })
})

it('redacts URLs inside text', () => {
  expect(redact('connect redis://u:p@h:1 failed, s3://b/k@1')).toBe('connect redis://***@h:1 failed, s3://b/k@1')
  expect(redact('redis+sentinel://:p/w@a:1,b:2/m and rediss+cluster://u:p@x')).toBe(
    'redis+sentinel://***@a:1,b:2/m and rediss+cluster://***@x',
  )
  expect(redact('get https://h/w.npz?download=1&api_key=k&x then https://h/?raw=1')).toBe(
    'get https://h/w.npz?download=1&api_key=***&*** then https://h/?raw=1',
  )
})

it('shows nothing of the URL of a queue before its last @', () => {
  expect(redactQueueUrl('redis://me:p@ss/w@rd@host:6379/1')).toBe('redis://***@host:6379/1')
  expect(redactQueueUrl('redi://me:pw@host')).toBe('redi://***@host')
  expect(redactQueueUrl('me:pw@host')).toBe('***@host')
  expect(redactQueueUrl('redis:/me:pw@host')).toBe('redis:/***@host')
  expect(redactQueueUrl('redis://host:6379')).toBe('redis://host:6379')
})

describe('documentation', () => {
  it('describes every field', () => {
    for (const kind of ['extract', 'predict', 'finetune'] as const) {
      const { properties } = specJsonSchema(kind)
      const described = Object.entries(properties ?? {}).filter(
        ([, field]: [string, unknown]) =>
          typeof field === 'object' && field !== null && 'description' in field && /^.{10,}\.$/.test(String(field.description)),
      )
      expect(['kind', ...described.map(([name]) => name)].sort()).toEqual(specFields(kind).sort())
    }
    expect(specFields('finetune')).toContain('learningRate')
  })

  it('is a JSON Schema', () => {
    const schema = specJsonSchema('extract')
    expect(schema).toMatchObject({ type: 'object', additionalProperties: false, required: ['kind', 'source', 'model', 'out'] })
    expect(schema).toHaveProperty('properties.partSize.default', 'auto')
    expect(specJsonSchema()).toHaveProperty('oneOf')
    expect(specJsonSchema('finetune')).toHaveProperty('properties.head.anyOf')
  })
})
