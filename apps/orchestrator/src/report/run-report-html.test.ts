import { parseSpec, type RunImage, type RunRecord } from '@layermill/contracts'
import { expect, it } from 'vitest'
import { mapPicture } from './map-picture.js'
import { type RunReportInput, runReportHtml } from './run-report-html.js'

const evil = '</title><script>alert(1)</script><img src=x onerror="alert(1)">&\''
const seconds = { read: 1, decode: 4, compute: 9.8, write: 0.5, all: 10 }

const record = (fields: Partial<RunRecord> = {}): RunRecord => ({
  version: 1,
  id: 'extract-1',
  state: 'done',
  generation: 0,
  spec: parseSpec({ kind: 'extract', source: evil, model: 'resnet50', out: '/data/out' }),
  identity: {
    model: 'resnet50',
    weights: 'w',
    layers: ['pool5'],
    preparation: { version: '1', size: 'keep', resample: 'bicubic', autoOrient: false, oversample: false },
    precision: 'fp32',
    pool: 'none',
    dtype: 'float32',
    format: 'npy',
  },
  layers: [{ name: 'pool5', shape: [2048], dtype: 'float32', bytesPerImage: 8192 }],
  partSize: 512,
  batchSize: 8,
  planned: true,
  counts: { images: 100_001, done: 100_000, failed: 1, parts: 196 },
  created: '2026-01-01T00:00:00Z',
  seconds: 12,
  versions: {},
  phases: [{ worker: evil, parts: 196, images: 100_001, seconds }],
  ...fields,
})

const images: RunImage[] = Array.from({ length: 48 }, (_, i) => ({ part: i, key: `${evil}/${i}.jpg`, label: 'cat' }))
const input = (fields: Partial<RunReportInput> = {}): RunReportInput => ({
  record: record(),
  sheet: { images, taken: [], mistakes: [], known: 0, right: 0 },
  failures: { total: 1, codes: new Map([['IMAGE_INVALID', 1]]), first: [{ key: evil, code: 'IMAGE_INVALID', reason: evil }] },
  map: undefined,
  picture: () => undefined,
  ...fields,
})

it('escapes everything that is not its own, and refers to nothing outside', () => {
  const html = runReportHtml(input({ picture: () => Uint8Array.of(1, 2, 3) }))
  expect(html).not.toContain('<img src=x')
  expect(html).not.toContain('onerror="')
  expect(html).not.toMatch(/<script|https?:/)
  expect(html).toContain('data:image/jpeg;base64,AQID')
  expect(html).toContain('Content-Security-Policy')
})

it('says counts, failures, speeds by phase and the settings', () => {
  const html = runReportHtml(input())
  const tiles = [...html.matchAll(/<div><dt>([^<]*)<\/dt><dd>([^<]*)<\/dd>/g)].map(([, name, value]) => [name, value])
  expect(tiles).toEqual(
    expect.arrayContaining([
      ['images', '100,000'],
      ['left out', '1'],
      ['images/s', '8333.3'],
      ['features', '819 MB'],
      ['model', 'resnet50'],
    ]),
  )
  expect(html).toContain('<td>IMAGE_INVALID</td><td class="n">1</td>')
  // The phase that bounds the worker is the one that is busy longest.
  expect(html).toContain('<b>10,204</b><small>98%</small>')
  expect(html).toContain('25,000<small>40%</small>')
  expect(html.match(/class="gone"/g)).toHaveLength(49)
})

it('lists classes and the surest mistakes of a prediction', () => {
  const mistake: RunImage = { part: 0, key: 'a.jpg', label: 'cat', predicted: [{ label: 'dog', probability: 0.987 }] }
  const sheet = { images: [], taken: [['dog', 7] as const, ['cat', 2] as const], mistakes: [mistake], known: 9, right: 8 }
  const spec = parseSpec({ kind: 'predict', source: '/in', model: '/registry/models/pets/versions/3', out: '/data/classes.csv' })
  const html = runReportHtml(input({ sheet, record: record({ layers: [], spec }) }))
  expect(html).toContain('<h1>pets@3: classes of 100,000 images</h1>')
  expect(html).toContain('<td>dog</td><td class="n">7</td>')
  expect(html).toContain('<b>cat</b> taken for <b>dog</b> (98.7%)')
  expect(html).toContain('<dt>named rightly</dt><dd>88.9%</dd>')
})

it('is of bounded size, whatever the number of images: the map is a picture', async () => {
  const count = 100_000
  const place = (factor: number): number[] => Array.from({ length: count }, (_, i) => (i * factor) % 65_536)
  const map = { layer: 'pool5', images: count, shown: count, done: 1, x: place(40_503), y: place(30_011) }
  const picture = await mapPicture(
    map,
    Array.from({ length: count }, (_, i) => i % 30),
  )
  expect(picture[0]).toBe(0x89)
  const groups = Array.from({ length: 1000 }, (_, i) => `class ${i}`)
  const html = runReportHtml(
    input({ map: { layer: 'pool5', picture, images: count, shown: count, groups }, picture: () => new Uint8Array(8000) }),
  )
  expect(html).toContain('and 991 more')
  expect(html.length).toBeLessThan(3e6)
})
