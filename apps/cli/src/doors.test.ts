/**
 * Malformed input at every door: specs, flags, schedules, payloads of jobs, and records of stores. Each is taken, or refused with a code of
 * the table.
 */
import { failureTable, LayermillError, Random } from '@layermill/core'
import {
  parseCalibration,
  parseRunRecord,
  parseScheduleSpec,
  parseSpec,
  parseTrainingPlan,
  readBeat,
  readPayload,
  specFields,
} from '@layermill/contracts'
import { parseCommit, parseErrors, parseManifest } from '@layermill/storage'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { specFromFlags } from './flags.js'

const seed = Number(process.env['LAYERMILL_FUZZ_SEED'] ?? 20260102)
/** Inputs for each door. */
const count = Number(process.env['LAYERMILL_FUZZ_DOORS'] ?? 1500)

const sha256 = 'a'.repeat(64)
const specs: readonly object[] = [
  {
    kind: 'extract',
    source: 'photos',
    model: 'resnet50',
    layers: ['res4', 'pool5'],
    out: 'features',
    size: '320x256',
    maxErrors: '1%',
    partSize: 512,
    notify: ['https://example.org/hook'],
  },
  {
    kind: 'predict',
    source: 's3://b/photos',
    model: 'googlenet',
    weights: 'https://example.org/w.npz?download=1',
    top: 5,
    oversample: true,
    out: 'out.csv',
  },
  {
    kind: 'finetune',
    source: 'pets',
    model: 'vgg16',
    layer: 'fc7',
    head: [512],
    base: 'scaled:0.1',
    out: 'models/pets',
    schedule: 'step:2:0.5',
    augment: 'flip,crop',
    validation: 0.1,
    classWeights: { cat: 2 },
    register: { name: 'pets' },
  },
]
const record = {
  version: 1,
  id: 'extract-1',
  state: 'done',
  generation: 0,
  spec: parseSpec(specs[0]),
  layers: [{ name: 'pool5', shape: [2048], dtype: 'float32', bytesPerImage: 8192 }],
  partSize: 512,
  batchSize: 8,
  planned: true,
  counts: { images: 1, done: 1, failed: 0, parts: 1 },
  created: '2026-01-01T00:00:00Z',
  versions: { node: 'v20' },
  identity: {
    model: 'resnet50',
    weights: sha256,
    layers: ['pool5'],
    precision: 'fp32',
    pool: 'none',
    dtype: 'float32',
    format: 'npy',
    preparation: { version: '1', size: { width: 224, height: 224 }, resample: 'bicubic', autoOrient: false, oversample: false },
  },
}
const strings = [
  '',
  ' ',
  '\0',
  '\u202Eevil',
  '😀',
  'a'.repeat(5000),
  '../../etc',
  '-1',
  '1e999',
  'NaN',
  'redis://a:b@c',
  's3://../x',
  '__proto__',
  'constructor',
  '320x256',
  '101%',
  '<b>',
  '\r\n',
  '\uD800',
  '['.repeat(300),
  'redis://'.repeat(300),
  '?a='.repeat(500),
]
const atoms: readonly unknown[] = [
  ...strings,
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  Number.MAX_SAFE_INTEGER + 1,
  [],
  {},
  [[]],
  [null],
  { a: { b: { c: {} } } },
]

class Mutator {
  private readonly random: Random
  constructor(text: string) {
    this.random = new Random(text)
  }

  below(limit: number): number {
    return Math.floor(this.random.next() * limit)
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }

  /** A copy with one to four places replaced, removed, doubled or renamed. */
  value(input: unknown): unknown {
    let made: unknown = structuredClone(input)
    for (let i = this.below(4); i >= 0; i--) made = this.change(made, 0)
    return made
  }

  private change(value: unknown, depth: number): unknown {
    const deeper = typeof value === 'object' && value !== null && Object.keys(value).length > 0 && (depth === 0 || this.below(3) > 0)
    if (!deeper) return this.below(6) === 0 ? Array.from({ length: this.below(200) }, () => this.pick(atoms)) : this.pick(atoms)
    const key = this.pick(Object.keys(value))
    if (Array.isArray(value)) return value.map((item: unknown, i): unknown => (String(i) === key ? this.change(item, depth + 1) : item))
    const fields: Record<string, unknown> = { ...value }
    switch (this.below(5)) {
      case 0:
        delete fields[key]
        break
      case 1:
        fields[this.pick(strings)] = fields[key]
        break
      case 2:
        Object.defineProperty(fields, this.pick(['__proto__', 'constructor', 'toString']), { value: this.pick(atoms), enumerable: true })
        break
      default:
        fields[key] = this.change(fields[key], depth + 1)
    }
    return fields
  }

  /** The same as JSON, at times cut off or with bytes changed. */
  bytes(input: unknown): Uint8Array {
    const bytes = Buffer.from(JSON.stringify(this.value(input)) ?? 'null')
    if (this.below(4) === 0) return bytes.subarray(0, this.below(bytes.length + 1))
    if (this.below(4) === 0) for (let i = 0; i < 4 && bytes.length > 0; i++) bytes[this.below(bytes.length)] = this.below(256)
    return bytes
  }
}

/** Bytes of live objects. */
function liveBytes(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc()')
  return process.memoryUsage().heapUsed
}

const lines = (rows: readonly object[]): string => rows.map(row => JSON.stringify(row)).join('\n')

/** Each door with how it is knocked at. */
const doors: Readonly<Record<string, (mutator: Mutator) => unknown>> = {
  spec: mutator => parseSpec(mutator.value(mutator.pick(specs))),
  flags: mutator => {
    const kind = mutator.pick(['extract', 'predict', 'finetune'] as const)
    const options = Object.fromEntries(
      Array.from({ length: mutator.below(8) }, (): [string, unknown] => [
        mutator.pick(specFields(kind)),
        mutator.pick([...strings, '3', 'true', 'a,b', '0.5', true]),
      ]),
    )
    return specFromFlags(kind, mutator.pick(['photos', ...strings]), { model: 'vgg16', out: 'out', ...options })
  },
  schedule: mutator =>
    parseScheduleSpec(mutator.value({ name: 'nightly', cron: '0 3 * * *', timeZone: 'Europe/Berlin', spec: mutator.pick(specs) })),
  'part job': mutator => readPayload('part', mutator.value({ v: 1, run: 'extract-1', store: 's3://b/out', part: 3, generation: 1 })),
  'gradient job': mutator =>
    readPayload(
      'gradient',
      mutator.value({ v: 1, run: 'finetune-1', store: '/out', purpose: 'train', session: 'a', step: 1, micro: 0, version: 2 }),
    ),
  'run job': mutator => readPayload('run', mutator.value({ v: 1, run: 'extract-1', store: '/out', spec: mutator.pick(specs) })),
  heartbeat: mutator =>
    readBeat(
      mutator.value({
        id: 'w',
        host: 'h',
        state: 'idle',
        device: 'cpu',
        engine: 'onnx',
        version: '1',
        started: '',
        seen: '',
        jobs: [{ run: 'r', part: 0, done: 0, images: 1 }],
        imagesPerSecond: 0,
      }),
    ),
  'run.json': mutator => parseRunRecord(mutator.bytes(record), 'out'),
  'training.json': mutator =>
    parseTrainingPlan(
      mutator.bytes({ version: 1, run: 'finetune-1', classes: ['a', 'b'], images: { training: 1, validation: 0 }, datasetSha256: sha256 }),
      'out',
    ),
  calibration: mutator => parseCalibration(mutator.bytes({ version: 1, ranges: { conv1: [0, 1] } }), sha256, 'out'),
  'commit record': mutator =>
    parseCommit(
      mutator.bytes({ part: 0, images: 1, failed: 0, files: [{ path: 'features/a.npy', bytes: 3, sha256 }] }),
      'commits/part-00000.json',
    ),
  manifest: mutator =>
    parseManifest(
      Buffer.concat([
        Buffer.from(`${lines([{ key: 'a.jpg', etag: '1', bytes: 3 }])}\n`),
        mutator.bytes({ key: 'b.jpg', etag: '1', bytes: 3 }),
      ]),
      'manifest/part-00000.jsonl',
    ),
  errors: mutator => parseErrors(mutator.bytes({ key: 'a.jpg', code: 'IMAGE_CORRUPT', reason: 'damaged' }), 'errors/part-00000.jsonl'),
}

/** The code that an input was refused with; undefined where it was taken. Anything but a code of the table is a fault. */
async function refusal(knock: () => unknown): Promise<string | undefined> {
  try {
    await knock()
    return undefined
  } catch (error) {
    if (!(error instanceof LayermillError) || !Object.hasOwn(failureTable, error.code)) throw error
    if (error.message.length > 6000) throw new Error(`a message of ${error.message.length} characters`)
    return error.code
  }
}

it.each(Object.keys(doors))(`%s: ${count} malformed inputs (seed ${seed})`, async name => {
  const mutator = new Mutator(`${seed} ${name}`)
  const codes = new Map<string | undefined, number>()
  let longestMs = 0
  // Once each, so that what is loaded at first use does not count.
  for (let i = 0; i < 20; i++) await refusal(() => doors[name]!(mutator))
  const before = liveBytes()
  for (let i = 0; i < count; i++) {
    const started = process.cpuUsage()
    const code = await refusal(() => doors[name]!(mutator))
    const { user, system } = process.cpuUsage(started)
    longestMs = Math.max(longestMs, (user + system) / 1000)
    codes.set(code, (codes.get(code) ?? 0) + 1)
  }
  expect(liveBytes() - before).toBeLessThan(32e6)
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
  if (name !== 'heartbeat') expect([...codes.keys()].filter(code => code !== undefined).length).toBeGreaterThan(0)
  // Processor time, all threads of this process: a regular expression or a parser that runs away takes far more.
  expect(longestMs).toBeLessThan(2000)
})

it('answers with the spec that was given where nothing is wrong', () => {
  for (const spec of specs) expect(parseSpec(spec).kind).toBe((spec as { kind: string }).kind)
  expect(parseRunRecord(JSON.stringify(record), 'out').id).toBe('extract-1')
})
