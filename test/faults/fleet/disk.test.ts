import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, it } from 'vitest'
import { runCli, smallRun } from '../../helpers/cli.js'
import { Fleet, succeeded } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'
import { commitFaults, fileHashes, filesBelow } from '../../helpers/results.js'

const execute = promisify(execFile)
const folder = testFolder('fleet-disk')
const disks: string[] = []
let fleet: Fleet | undefined

afterAll(async () => {
  await fleet?.stop()
  for (const disk of disks) await execute('umount', [disk])
})

it('a full disk stops a run of three workers, and it goes on each time there is more room', async context => {
  const disk = join(await folder(), 'disk')
  await mkdir(disk)
  const mounted = await execute('mount', ['-t', 'tmpfs', '-o', 'size=1500k', 'tmpfs', disk]).then(
    () => true,
    () => false,
  )
  if (!mounted) return context.skip('file systems cannot be mounted here')
  disks.push(disk)
  const photos = join(await folder(), 'photos')
  await writeImages(photos, 96)
  const undisturbed = join(await folder(), 'undisturbed')
  // 48 KiB an image, 8 images a part.
  succeeded(await runCli(smallRun(photos, undisturbed, '--part-size', '8')))

  const running = await Fleet.start()
  fleet = running
  await Promise.all(Array.from({ length: 3 }, () => running.worker()))
  const out = join(disk, 'out')
  const outcomes = [await running.run([...smallRun(photos, out, '--part-size', '8'), '--queue', running.queue]).ended]
  for (const size of ['3m', '4m', '20m']) {
    const { code, stderr } = outcomes.at(-1)!
    expect(code, stderr).toBe(1)
    expect(stderr).toContain('[STORE_FULL]')
    expect(await filesBelow(out)).not.toContain('_SUCCESS')
    expect(await commitFaults(out)).toEqual([])
    await execute('mount', ['-o', `remount,size=${size}`, disk])
    outcomes.push(await running.run(['runs', 'resume', out, '--queue', running.queue]).ended)
  }
  expect(outcomes.at(-1)!.code, outcomes.at(-1)!.stderr).toBe(0)
  expect(await fileHashes(out)).toEqual(await fileHashes(undisturbed))
  process.stdout.write('3 full disks, 96 images, lost 0, duplicated 0\n')
})
