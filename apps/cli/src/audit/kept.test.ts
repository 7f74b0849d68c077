import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Matrix, matrix, plainProduct, sourceOf } from '@layermill/analysis'
import { Random } from '@layermill/core'
import { openStore } from '@layermill/storage'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { auditImages, type AuditedImages } from './findings.js'
import { KeptAudit } from './kept.js'
import { loadNeighbourIndex } from './neighbour-index.js'

const random = new Random('kept')
const columns = 12
const values: Matrix = matrix(
  260,
  columns,
  Float64Array.from({ length: 260 * columns }, () => random.between(-1, 1)),
)
// Nearly the same as rows 3 and 100.
for (const [copy, row] of [
  [200, 3],
  [230, 100],
] as const)
  for (let k = 0; k < columns; k++) values.data[copy * columns + k] = values.data[row * columns + k]! + 0.001

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-kept-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Some of the rows, as images. */
function imagesOf(rows: readonly number[]): AuditedImages {
  const x = matrix(rows.length, columns)
  for (const [i, row] of rows.entries()) x.data.set(values.data.subarray(row * columns, (row + 1) * columns), i * columns)
  const keys = rows.map(row => `${String(row).padStart(3, '0')}.png`)
  return {
    source: sourceOf(x),
    keys,
    labels: rows.map(row => `class ${row % 2}`),
    sha256: keys.map(key => `hash of ${key}`),
    sizes: rows.map(() => ({ width: 64, height: 64 })),
  }
}

const watch = { signal: new AbortController().signal, onProgress: () => {} }
const options = { product: plainProduct, seed: '0', labelScore: 'margin', labels: 5, outliers: 5, ...watch } as const
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

async function audited(rows: readonly number[], more: Partial<Parameters<typeof auditImages>[1]> = {}) {
  await using store = openStore(folder)
  const images = imagesOf(rows)
  const kept = await KeptAudit.open(store, images, 'pool5', watch)
  const found = await auditImages(images, { ...options, ...more, kept })
  const measured: string[] = []
  await kept.qualitiesFor(async places => {
    measured.push(...places.map(place => images.keys[place]!))
    return places.map(() => ({ brightness: 0.5, sharpness: 1 }))
  })
  return { ...found, change: kept.change, measured }
}

const keysOf = (
  { findings }: { readonly findings: readonly { readonly key: string; readonly finding: string }[] },
  kind: string,
): string[] => findings.filter(({ finding }) => finding === kind).map(({ key }) => key)

it('compares new images alone with all, and reads their pictures alone', async () => {
  const first = await audited(range(0, 220))
  expect(first.change).toBeUndefined()
  expect(first.measured).toHaveLength(220)
  expect(keysOf(first, 'near-duplicate')).toEqual(['003.png', '200.png'])
  // Row 200 goes, rows from 220 on come, row 230 with them.
  const rows = range(0, 240).filter(row => row !== 200)
  const second = await audited(rows)
  expect(second.change).toEqual({ fresh: 20, gone: 1 })
  expect(second.measured).toEqual(range(220, 240).map(row => `${row}.png`))
  const whole = await auditImages(imagesOf(rows), options)
  const near = (each: typeof whole) => each.findings.filter(({ finding }) => finding === 'near-duplicate')
  expect(near(second)).toEqual(near(whole).map(found => ({ ...found, score: expect.closeTo(found.score, 9) as number })))
  expect(keysOf(second, 'near-duplicate')).toEqual(['100.png', '230.png'])
  const again = await audited(rows)
  expect(again.change).toEqual({ fresh: 0, gone: 0 })
  expect(again.measured).toEqual([])
  expect(again.findings).toEqual(second.findings)
})

it('finds all anew where more than a fifth has changed, at once or since the components were fitted', async () => {
  await audited(range(0, 150))
  const components = (): Promise<Buffer> => readFile(join(folder, 'kept/components.safetensors'))
  const first = await components()
  expect((await audited(range(0, 170))).change).toEqual({ fresh: 20, gone: 0 })
  expect(await components()).toEqual(first)
  expect((await audited(range(0, 195))).change).toEqual({ fresh: 25, gone: 0 })
  expect(await components()).not.toEqual(first)
  expect((await audited(range(60, 195))).change).toBeUndefined()
})

it('finds anew what is damaged, missing, or of other features', async () => {
  const rows = range(0, 120)
  const whole = await audited(rows)
  const near = join(folder, 'kept/near.safetensors')
  const file = await readFile(near)
  await writeFile(near, file.subarray(0, file.length - 10))
  expect((await audited(rows)).change).toBeUndefined()
  expect(await readFile(near)).toEqual(file)
  await rm(join(folder, 'kept/components.safetensors'))
  expect((await audited(rows)).findings).toEqual(whole.findings)
  await using store = openStore(folder)
  const other = await KeptAudit.open(store, imagesOf(rows), 'pool4', watch)
  await auditImages(imagesOf(rows), { ...options, kept: other })
  expect(other.change).toBeUndefined()
})

it('says what an index found of the images that were there', async () => {
  await audited(range(0, 200), { openIndex: loadNeighbourIndex() })
  const second = await audited(range(0, 210), { openIndex: loadNeighbourIndex() })
  expect(second.change).toEqual({ fresh: 10, gone: 0 })
  expect(second.recall).toBeGreaterThan(0.95)
  expect(keysOf(second, 'near-duplicate')).toEqual(['003.png', '200.png'])
})
