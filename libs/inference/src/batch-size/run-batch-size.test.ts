import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RunRecord } from '@layermill/contracts'
import { openStore } from '@layermill/storage'
import { expect, it } from 'vitest'
import { batchSizeOfRun } from './run-batch-size.js'

const record = (batchSize: number | 'auto'): RunRecord => ({ batchSize }) as unknown as RunRecord

it('is what the run says, or what the first worker to finish looking found, for all of them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'layermill-'))
  try {
    const store = openStore(folder)
    const never = (): never => expect.fail('looked for what is known')
    expect(await batchSizeOfRun(record(8), store, never)).toBe(8)
    // All find nothing written down, then each writes: one of them is heard.
    const sizes = [2, 4, 8, 16]
    let looking = 0
    let resolve = (): void => undefined
    const all = new Promise<void>(settle => (resolve = settle))
    const agreed = await Promise.all(
      sizes.map(size =>
        batchSizeOfRun(record('auto'), store, async () => {
          if (++looking === sizes.length) resolve()
          await all
          return size
        }),
      ),
    )
    expect(sizes).toContain(agreed[0])
    expect(new Set(agreed).size).toBe(1)
    expect(await batchSizeOfRun(record('auto'), store, never)).toBe(agreed[0])
    await writeFile(join(folder, 'batch-size.json'), 'many')
    await expect(batchSizeOfRun(record('auto'), store, never)).rejects.toMatchObject({ code: 'RUN_RECORD_INVALID' })
  } finally {
    await rm(folder, { recursive: true })
  }
})
