import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { runCli, smallRun } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImage, writeImages } from '../../helpers/images.js'
import { readRun } from '../../helpers/results.js'

const folder = testFolder('event-loop')
const hook = fileURLToPath(new URL('../../helpers/loop-delay.mjs', import.meta.url))

interface Block {
  /** Milliseconds since 1970. */
  readonly at: number
  /** Milliseconds of CPU that the main thread took in one go. */
  readonly cpu: number
}

it('a run does not hold its event loop: decoding, resizing and computing are elsewhere, the rest comes in small pieces', async () => {
  const photos = join(await folder(), 'photos')
  const out = join(await folder(), 'out')
  const seen = join(await folder(), 'blocks.json')
  await writeImages(photos, 300)
  for (let i = 0; i < 20; i++) await writeImage(photos, `large${i}.jpg`, i, { width: 1200, height: 900, format: 'jpeg' })
  const { code, stderr } = await runCli(smallRun(photos, out, '--part-size', '32'), {
    nodeArgs: ['--import', hook],
    env: { LAYERMILL_LOOP_DELAY: seen },
  })
  expect(code, stderr).toBe(0)
  const blocks = JSON.parse(await readFile(seen, 'utf8')) as Block[]
  // Loading the modules comes in long pieces, before there is anything to hold up; the hook sees those, so it sees.
  expect(blocks.length).toBeGreaterThan(0)
  const started = Date.parse((await readRun(out))['created'] as string)
  const longest = Math.max(0, ...blocks.filter(({ at, cpu }) => at - cpu > started).map(({ cpu }) => cpu))
  // 50 ms is what is promised on a quiet machine; a loaded one takes several times the CPU for the same work.
  expect(longest).toBeLessThan(300)
})
