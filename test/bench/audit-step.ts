/** An audit of synthetic rows by the index, without pictures. Prints JSON. */
import { createHash } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'
import { readByFill, type RowSource } from '@layermill/analysis'
import { openProduct } from '@layermill/engines'
import { cost } from './measure.js'

interface Found {
  readonly recall: number | undefined
  readonly findings: readonly object[]
}

/** The command's own modules, which its package does not export. */
const ownModule = async <Module>(name: string): Promise<Module> =>
  (await import(new URL(`../../../apps/cli/dist/audit/${name}.js`, import.meta.url).href)) as Module
const { auditImages } = await ownModule<{ auditImages: (images: object, options: object) => Promise<Found> }>('findings')
const { loadNeighbourIndex } = await ownModule<{ loadNeighbourIndex: () => unknown }>('neighbour-index')

const [file, rowsText, columnsText, labelsText] = process.argv.slice(2) as [string, string, string, string]
const [rows, columns, classes] = [Number(rowsText), Number(columnsText), Number(labelsText)]

/** Rows of float32 numbers in a file. */
function rowsOf(handle: FileHandle): RowSource {
  const fill = async (start: number, end: number, target: Float64Array): Promise<void> => {
    const values = new Float32Array((end - start) * columns)
    await handle.read(new Uint8Array(values.buffer), 0, values.byteLength, start * columns * 4)
    target.set(values)
  }
  return { rows, columns, fill, read: readByFill(columns, fill) }
}

await using handle = await open(file)
const labels = Array.from({ length: rows }, (_, row) => (classes === 0 ? undefined : `class ${row % classes}`))
const images = {
  source: rowsOf(handle),
  keys: Array.from({ length: rows }, (_, row) => `${row}.jpg`),
  labels,
  sha256: Array.from({ length: rows }, (_, row) => createHash('sha256').update(`${row}`).digest('hex')),
  sizes: Array.from({ length: rows }, () => ({ width: 224, height: 224 })),
}
const fast = await openProduct()
const { product } = fast
let [recall, findings]: [number | undefined, number] = [undefined, 0]
const steps: Record<string, number> = {}
const begun = performance.now()
const { seconds, cpuSeconds } = await cost(async () => {
  const audited = await auditImages(images, {
    product,
    seed: '0',
    labelScore: 'self-confidence',
    labels: Math.ceil(rows / 20),
    outliers: Math.ceil(rows / 100),
    openIndex: loadNeighbourIndex(),
    signal: new AbortController().signal,
    onProgress: (step: string) => void (steps[step] = Math.round((performance.now() - begun) / 1000)),
  })
  recall = audited.recall
  findings = audited.findings.length
})
await fast.close()
console.log(JSON.stringify({ seconds, cpuSeconds, recall, findings, steps, peakBytes: process.resourceUsage().maxRSS * 1024 }))
