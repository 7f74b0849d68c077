import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { runCli, smallRun, startCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'
import { commitFaults, fileHashes, fileVersions, filesBelow, readRun } from '../../helpers/results.js'
import { namesIn, untilOrEnd } from '../../helpers/watch.js'

const folder = testFolder('interrupt')
let command: (out: string) => string[]

beforeAll(async () => {
  const photos = join(await folder(), 'photos')
  await writeImages(photos, 160)
  command = out => smallRun(photos, out, '--part-size', '4', '--pool', 'max')
})

describe('Ctrl-C and SIGTERM', () => {
  it('end with 130 and a consistent store; the same command finishes the run without computing again', async () => {
    const out = join(await folder(), 'stopped')
    for (const [signal, parts] of [
      ['SIGINT', 3],
      ['SIGTERM', 12],
    ] as const) {
      const process = startCli(command(out))
      expect(await untilOrEnd(process, async () => (await namesIn(join(out, 'commits'))).length >= parts), process.stderr()).toBe(true)
      process.child.kill(signal)
      const stopped = await process.ended
      expect(stopped).toMatchObject({ code: 130, signal: null, stdout: '' })
      expect(stopped.stderr).toContain(`${signal}: the batches under way are finished; a second Ctrl-C stops now`)
      expect(stopped.stderr).toContain(`stopped by ${signal}; the same command goes on from here`)
      expect(['planning', 'running']).toContain((await readRun(out)).state)
      expect(await commitFaults(out)).toEqual([])
      // No part half written: every file but the manifest and what holds for the whole run belongs to a record, and there is no scratch
      // file.
      const files = await filesBelow(out)
      const committed = new Set(files.filter(path => path.startsWith('commits/')).map(path => /part-\d+/.exec(path)![0]))
      const results = files.filter(path => !/^(manifest|commits)\//.test(path) && !['run.json', 'batch-size.json'].includes(path))
      expect(results.filter(path => !committed.has(/part-\d+/.exec(path)?.[0] ?? ''))).toEqual([])
    }
    const before = await fileVersions(out)
    const done = await runCli(command(out))
    expect(done.code, done.stderr).toBe(0)
    const after = await fileVersions(out)
    // Agreed by the run's workers, and of no use any more.
    expect([before.delete('batch-size.json'), after.has('batch-size.json')]).toEqual([true, false])
    for (const [path, version] of before) expect(after.get(path), path).toEqual(version)

    const undisturbed = join(await folder(), 'undisturbed')
    expect((await runCli(command(undisturbed))).code).toBe(0)
    expect(await fileHashes(out)).toEqual(await fileHashes(undisturbed))
  })
})
