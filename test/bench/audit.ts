import { mkdir, open, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Random } from '@layermill/core'
import { inProcess } from './measure.js'

const columns = 256
const rank = 32
const classes = 10

interface Audit {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly recall: number
  readonly findings: number
  /** Seconds after the start at which steps reported last. */
  readonly steps: Record<string, number>
  readonly peakBytes: number
}

/** Rows of ten classes on 32 directions, with noise. */
async function writeRows(file: string, rows: number): Promise<void> {
  const random = new Random('bench:audit')
  const directions = Float32Array.from({ length: rank * columns }, () => random.between(-1, 1))
  const centres = Float32Array.from({ length: classes * rank }, () => random.between(-1, 1))
  await using handle = await open(file, 'w')
  for (let start = 0; start < rows; start += 1024) {
    const values = new Float32Array(Math.min(1024, rows - start) * columns)
    for (let i = 0; i < values.length / columns; i++) {
      const own = values.subarray(i * columns, (i + 1) * columns)
      for (let k = 0; k < rank; k++) {
        const factor = centres[((start + i) % classes) * rank + k]! + random.between(-1, 1)
        for (let j = 0; j < columns; j++) own[j]! += factor * directions[k * columns + j]!
      }
      for (let j = 0; j < columns; j++) own[j]! += random.between(-0.2, 0.2)
    }
    await handle.write(new Uint8Array(values.buffer))
  }
}

/**
 * `npm run bench -- audit`: an audit by the index of LAYERMILL_BENCH_AUDIT_ROWS rows (200,000) of 256 numbers in ten classes; time, recall,
 * and memory by that of the vectors in float32.
 */
export async function benchAudit(): Promise<void> {
  const rows = Number(process.env['LAYERMILL_BENCH_AUDIT_ROWS'] ?? 200_000)
  const folder = resolve('.tmp/bench/audit')
  await mkdir(folder, { recursive: true })
  const file = `${folder}/rows-${rows}.f32`
  await writeRows(file, rows)
  const found = await inProcess<Audit>('./audit-step.js', file, String(rows), String(columns), String(classes))
  await rm(folder, { recursive: true, force: true })
  const mebibytes = Math.round(found.peakBytes / 2 ** 20)
  const ratio = (found.peakBytes / (rows * columns * 4)).toFixed(2)
  console.log(`${rows} rows of ${columns}: ${found.seconds.toFixed(0)} s, ${found.cpuSeconds.toFixed(0)} s of CPU, recall ${found.recall}`)
  console.log(
    `steps ended after ${Object.entries(found.steps)
      .map(([step, seconds]) => `${step} ${seconds} s`)
      .join(', ')}`,
  )
  console.log(`${mebibytes} MiB at the peak, ${ratio} times the vectors; target <= 2 for 1,000,000 rows`)
}
