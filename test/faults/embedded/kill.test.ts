import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { mulberry32 } from '@layermill/core'
import { describe, expect, it } from 'vitest'
import { runCli, smallRun, startCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'
import { commitFaults, fileHashes, type FileVersion, fileVersions, filesBelow, readIndex } from '../../helpers/results.js'
import { namesIn, untilOrEnd } from '../../helpers/watch.js'

const folder = testFolder('kill')
const seed = Number(process.env['LAYERMILL_TEST_SEED'] ?? Math.floor(Math.random() * 1e9))
const parts = 60
const kills = 10

/** Files that belong to the parts with a commit record. */
async function committedFiles(out: string): Promise<Map<string, FileVersion>> {
  const names = new Set((await namesIn(join(out, 'commits'))).map(name => name.slice(0, 'part-00000'.length)))
  return new Map([...(await fileVersions(out))].filter(([path]) => !path.startsWith('.') && names.has(/part-\d{5}/.exec(path)?.[0] ?? '')))
}

describe(`kill -9 (seed ${seed}; set LAYERMILL_TEST_SEED to repeat)`, () => {
  it(`up to ${kills} times at random moments: the results are byte for byte those of an undisturbed run, committed parts are not computed again`, async () => {
    const photos = join(await folder(), 'photos')
    const keys = await writeImages(photos, parts * 4)
    const command = (out: string): string[] => smallRun(photos, out, '--part-size', '4', '--pool', 'avg')
    const undisturbed = join(await folder(), 'undisturbed')
    const reference = await runCli(command(undisturbed))
    expect(reference.code, reference.stderr).toBe(0)

    const out = join(await folder(), 'killed')
    const random = mulberry32(seed)
    const seen = new Map<string, FileVersion>()
    let killed = 0
    for (let kill = 0; kill < kills; kill++) {
      const before = (await namesIn(join(out, 'commits'))).length
      // Every fourth while planning, before any part; the others after up to five more parts; at a random moment of what comes next.
      const place = kill % 4 === 0 ? 'manifest' : 'commits'
      const enough = kill % 4 === 0 ? Math.max(1, Math.floor(random() * parts)) : before + Math.floor(random() * 5) + 1
      const process = startCli(command(out))
      const reached = await untilOrEnd(process, async () => (await namesIn(join(out, place))).length >= Math.min(enough, parts - 1))
      expect(reached, process.stderr()).toBe(true)
      await pause(random() * 60)
      process.child.kill('SIGKILL')
      await process.ended
      expect(await commitFaults(out)).toEqual([])
      // On a fast machine it comes to its end before the last kills.
      if ((await filesBelow(out)).includes('_SUCCESS')) break
      killed += 1
      const now = await committedFiles(out)
      for (const [path, version] of seen) expect(now.get(path), path).toEqual(version)
      for (const [path, version] of now) seen.set(path, version)
    }
    expect(seen.size).toBeGreaterThan(0)
    expect(killed).toBeGreaterThanOrEqual(kills / 2)

    const last = await runCli(command(out))
    expect(last.code, last.stderr).toBe(0)
    if (killed === kills) expect(last.stderr).toContain('going on with an unfinished run')
    const after = await fileVersions(out)
    for (const [path, version] of seen) expect(after.get(path), path).toEqual(version)
    expect(await fileHashes(out)).toEqual(await fileHashes(undisturbed))
    expect((await readIndex(out)).map(({ key }) => key)).toEqual(keys)
  })
})
