import { execFile } from 'node:child_process'
import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { type CliResult, runCli, smallRun } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'
import { commitFaults, fileHashes, fileVersions, filesBelow } from '../../helpers/results.js'

const execute = promisify(execFile)
const folder = testFolder('full-disk')
let command: (out: string) => string[]
let expected: Record<string, string>

beforeAll(async () => {
  const photos = join(await folder(), 'photos')
  await writeImages(photos, 24)
  // 48 KiB an image, 8 images a part.
  command = out => smallRun(photos, out, '--part-size', '8')
  const undisturbed = join(await folder(), 'undisturbed')
  await runCli(command(undisturbed))
  expected = await fileHashes(undisturbed)
})

/** A run that found no room: says so, and left nothing that is half of something. */
async function checkStopped({ code, stderr }: CliResult, out: string): Promise<void> {
  expect(code, stderr).toBe(1)
  expect(stderr).toContain('[STORE_FULL]')
  expect(stderr).toContain('run the same command again')
  expect(await commitFaults(out)).toEqual([])
  const hashes = await fileHashes(out)
  expect(Object.keys(hashes)).not.toContain('_SUCCESS')
  // Agreed by the run's workers, and of no use once it is done.
  delete hashes['batch-size.json']
  for (const [path, hash] of Object.entries(hashes)) expect([path, hash]).toEqual([path, expected[path]])
}

describe('no room', () => {
  it('on a full disk: STORE_FULL, and it goes on when there is room', async context => {
    const disk = join(await folder(), 'disk')
    await mkdir(disk)
    const mounted = await execute('mount', ['-t', 'tmpfs', '-o', 'size=900k', 'tmpfs', disk]).then(
      () => true,
      () => false,
    )
    if (!mounted) return context.skip('file systems cannot be mounted here')
    try {
      const out = join(disk, 'out')
      await checkStopped(await runCli(command(out)), out)
      const before = await fileVersions(out)
      before.delete('batch-size.json')
      expect([...before.keys()].filter(path => path.startsWith('commits/'))).not.toEqual([])
      await execute('mount', ['-o', 'remount,size=20m', disk])
      const done = await runCli(command(out))
      expect(done.code, done.stderr).toBe(0)
      expect(await fileHashes(out)).toEqual(expected)
      for (const [path, version] of before) expect((await fileVersions(out)).get(path), path).toEqual(version)
      await cp(out, join(await folder(), 'copied'), { recursive: true })
    } finally {
      await execute('umount', [disk])
    }
  })

  it('by a limit on file sizes: STORE_FULL, and it goes on without the limit', async () => {
    const out = join(await folder(), 'limited')
    // In units of 512 bytes: less than a part's features, more than its other files.
    const limited = await runCli(command(out), { shell: 'trap "" XFSZ; ulimit -f 200; exec "$@"' })
    await checkStopped(limited, out)
    expect((await filesBelow(out)).filter(path => path.startsWith('commits/'))).toEqual([])
    const done = await runCli(command(out))
    expect(done.code, done.stderr).toBe(0)
    expect(await fileHashes(out)).toEqual(expected)
  })
})
