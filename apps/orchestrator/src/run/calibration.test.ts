import { type Calibration, parseSpec, type ExtractSpec, type RunRecord, serializeCalibration } from '@layermill/contracts'
import type { ImageSource, Store } from '@layermill/storage'
import { describe, expect, it } from 'vitest'
import { calibrateFor, withCalibrationOf, writeCalibration } from './calibration.js'
import { checkInference } from './check-inference.js'
import type { RunEnvironment } from './environment.js'

const calibration: Calibration = { version: 1, method: 'min-max', sample: ['a.jpg'], ranges: { input: [-1, 1] } }
const { text, sha256 } = serializeCalibration(calibration)
const report = { method: 'min-max', images: 1, compared: 1, heldOut: false, cosine: {} } as const

const specOf = (more: object): ExtractSpec =>
  parseSpec({ kind: 'extract', source: '/photos', model: 'resnet50', out: '/out', precision: 'int8', ...more }) as ExtractSpec

function record(precision: string, named?: string): RunRecord {
  return {
    version: 1,
    id: 'extract-1',
    state: 'done',
    generation: 0,
    spec: specOf({}),
    layers: [],
    partSize: 512,
    batchSize: 8,
    planned: true,
    identity: {
      model: 'resnet50',
      weights: 'a'.repeat(64),
      layers: ['pool5'],
      precision,
      pool: 'none',
      dtype: 'float32',
      format: 'npy',
      preparation: { version: '1', size: { height: 224, width: 224 }, resample: 'bicubic', autoOrient: false, oversample: false },
      ...(named === undefined ? {} : { calibration: named }),
    },
    counts: { images: 1, done: 1, failed: 0, parts: 1 },
    created: '2026-01-01T00:00:00Z',
    versions: {},
  }
}

/** A store that has what `files` have, and an environment that counts how often it calibrates. */
function world(files: Map<string, string>) {
  const world = { calibrated: 0, closed: 0 }
  const store = {
    url: '/out',
    get: async (key: string) => (files.has(key) ? new TextEncoder().encode(files.get(key)) : undefined),
    put: async (key: string, value: string) => files.set(key, value).has(key),
  } as unknown as Store
  const environment = {
    openSource: async () => ({ [Symbol.asyncDispose]: async () => void world.closed++ }) as unknown as ImageSource,
    calibrate: async () => {
      world.calibrated++
      return { calibration, report }
    },
  } as unknown as RunEnvironment
  return { world, at: { store, environment, signal: undefined } }
}

describe('calibrateFor', () => {
  it.each(['create', 'replace', 'renew'] as const)('calibrates at %s, and the record names what is written', async action => {
    const files = new Map<string, string>()
    const { world: counts, at } = world(files)
    const run = await calibrateFor(action, record('int8', 'b'.repeat(64)), at)
    expect(run.record).toMatchObject({ identity: { calibration: sha256 }, calibration: report })
    expect(files.size).toBe(0)
    await writeCalibration(at.store, run)
    expect(files).toEqual(new Map([['calibration.json', text]]))
    expect(counts).toEqual({ calibrated: 1, closed: 1 })
  })

  it.each(['resume', 'update', 'retry'] as const)('keeps to what is there at %s', async action => {
    const { world: counts, at } = world(new Map([['calibration.json', text]]))
    const run = await calibrateFor(action, withCalibrationOf(record('int8'), record('int8', sha256)), at)
    expect(run).toMatchObject({ record: { identity: { calibration: sha256 } }, file: undefined })
    expect(counts.calibrated).toBe(0)
    await expect(calibrateFor(action, record('int8', 'c'.repeat(64)), at)).rejects.toMatchObject({ code: 'CALIBRATION_INVALID' })
  })

  it('has nothing to do for float32', async () => {
    const { world: counts, at } = world(new Map())
    expect((await calibrateFor('create', record('fp32'), at)).record).toEqual(record('fp32'))
    expect(withCalibrationOf(record('fp32'), record('int8', sha256)).identity.calibration).toBeUndefined()
    expect(counts.calibrated).toBe(0)
  })
})

describe('precision auto', () => {
  const auto = (more: object = {}): RunRecord => ({ ...record('fp32'), spec: specOf({ precision: 'auto', ...more }) })
  const choice = { chosen: 'int8', speedup: 3, reason: 'faster' } as const
  const exact = { chosen: 'fp32', reason: 'as good' } as const

  it('becomes what is chosen, with its ranges', async () => {
    const { at } = world(new Map())
    const environment = { ...at.environment, choosePrecision: async () => ({ choice, found: { calibration, report } }) }
    const run = await calibrateFor('create', auto(), { ...at, environment })
    expect(run.record).toMatchObject({ identity: { precision: 'int8', calibration: sha256 }, calibration: report, precisionChoice: choice })
    expect(run.file).toBe(text)
    const other = await calibrateFor('renew', withCalibrationOf(auto(), run.record), {
      ...at,
      environment: { ...at.environment, choosePrecision: async () => ({ choice: exact }) },
    })
    expect(other).toEqual({ record: { ...auto(), precisionChoice: exact }, file: undefined })
  })

  it('stays what it was when it goes on', async () => {
    const { world: counts, at } = world(new Map([['calibration.json', text]]))
    const taken = withCalibrationOf(auto(), record('int8', sha256))
    expect(taken.identity).toEqual(record('int8', sha256).identity)
    expect((await calibrateFor('resume', taken, at)).record).toEqual(taken)
    expect(withCalibrationOf(auto(), record('fp32'))).toEqual(auto())
    expect(counts.calibrated).toBe(0)
  })

  it('is fp32 without an engine, and where a worker would refuse int8', async () => {
    const { at } = world(new Map())
    expect((await calibrateFor('create', auto(), at)).record.precisionChoice).toMatchObject({ chosen: 'fp32' })
    const choosePrecision = async () => ({ choice, found: { calibration, report } })
    const workers = async () => [{ device: 'cpu' }, { device: 'cuda' }] as never
    const environment = { ...at.environment, choosePrecision, workers }
    expect((await calibrateFor('create', auto(), { ...at, environment })).record).toMatchObject({
      identity: { precision: 'fp32' },
      precisionChoice: { chosen: 'fp32', reason: 'int8 is computed on the CPU, and a worker has cuda' },
    })
    const onCpu = await calibrateFor('create', auto({ device: 'cpu' }), { ...at, environment })
    expect(onCpu.record.identity.precision).toBe('int8')
  })
})

it('refuses precisions on what does not compute in them', () => {
  for (const device of ['auto', 'cpu']) expect(() => checkInference(specOf({ device }))).not.toThrow()
  for (const device of ['cuda', 'webgpu'])
    expect(() => checkInference(specOf({ device }))).toThrow(expect.objectContaining({ code: 'PRECISION_UNAVAILABLE' }))
  for (const device of ['auto', 'cuda', 'webgpu']) expect(() => checkInference(specOf({ device, precision: 'fp16' }))).not.toThrow()
  expect(() => checkInference(specOf({ device: 'cpu', precision: 'fp16' }))).toThrow(
    expect.objectContaining({ code: 'PRECISION_UNAVAILABLE' }),
  )
  expect(() => checkInference({ ...specOf({}), engine: 'tfjs' })).toThrow(expect.objectContaining({ code: 'PRECISION_UNAVAILABLE' }))
})
