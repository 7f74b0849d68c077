import { mkdir, rename, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { runCli, smallRun, startCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { imageBytes, writeImage } from '../../helpers/images.js'
import {
  commitFaults,
  type FileVersion,
  fileVersions,
  filesBelow,
  type IndexEntry,
  readCommits,
  readErrors,
  readIndex,
  readNpy,
  readRun,
} from '../../helpers/results.js'
import { untilOrEnd } from '../../helpers/watch.js'

const folder = testFolder('update')
let photos: string
let out: string
let fresh = 0

const flags = ['--part-size', '4', '--pool', 'avg', '--max-errors', '50%']
const update = async (): Promise<Awaited<ReturnType<typeof runCli>>> => runCli(smallRun(photos, out, ...flags, '--update'))
const key = (label: string, i: number): string => `${label}/${String(i).padStart(2, '0')}.png`

/** Results of a run for each image, whichever part has it. */
async function contents(where: string): Promise<Record<string, unknown>> {
  const values = await readNpy(where, 'conv2')
  const describe = ({ label, width, height, sha256 }: IndexEntry): object => ({ label, width, height, sha256 })
  const found = (await readIndex(where)).map(entry => [entry.key, { ...describe(entry), values: values.get(entry.key) }])
  const failed = (await readErrors(where)).map(error => [error.key, error.code])
  return Object.fromEntries<unknown>([...found, ...failed] as [string, unknown][])
}

/** Holds the run against one that computes everything anew. */
async function checkAsFresh(): Promise<void> {
  const other = join(await folder(), `fresh-${fresh++}`)
  const { code, stderr } = await runCli(smallRun(photos, other, ...flags))
  expect([0, 3], stderr).toContain(code)
  expect(await contents(out)).toEqual(await contents(other))
  const { counts } = await readRun(out)
  expect(counts).toMatchObject({ ...(await readRun(other)).counts, parts: (await readCommits(out)).length })
  expect(await commitFaults(out)).toEqual([])
  // No file of a part that is gone.
  const live = new Set((await readCommits(out)).map(({ part }) => `part-${String(part).padStart(5, '0')}`))
  expect((await filesBelow(out)).filter(path => path.includes('part-') && !live.has(/part-\d{5}/.exec(path)![0]))).toEqual([])
  expect(await filesBelow(out)).toContain('_SUCCESS')
  expect(await filesBelow(out)).not.toContain('manifest/update.json')
}

/** Parts whose files were not touched between two looks. */
function untouchedParts(before: ReadonlyMap<string, FileVersion>, after: ReadonlyMap<string, FileVersion>): string[] {
  const commits = [...before.keys()].filter(path => path.startsWith('commits/')).map(path => /part-\d{5}/.exec(path)![0])
  const same = (path: string): boolean => after.get(path)?.modified === before.get(path)?.modified
  return commits.filter(part => [...before.keys()].filter(path => path.includes(part)).every(same))
}

beforeAll(async () => {
  photos = join(await folder(), 'photos')
  out = join(await folder(), 'out')
  // Parts: cat 0-3, cat 4-7, dog 0-3, dog 4-7, dog 8-9.
  for (let i = 0; i < 8; i++) await writeImage(photos, key('cat', i), i)
  for (let i = 0; i < 10; i++) await writeImage(photos, key('dog', i), 100 + i)
  await writeFile(join(photos, key('dog', 9)), await imageBytes(9).then(bytes => bytes.subarray(0, 50)))
  await runCli(smallRun(photos, out, ...flags))
})

describe('--update', () => {
  it('without a change computes nothing', async () => {
    const before = await fileVersions(out)
    const { code, stderr } = await update()
    expect(code, stderr).toBe(3)
    const after = await fileVersions(out)
    expect(untouchedParts(before, after)).toHaveLength(5)
    expect([...after.keys()]).toEqual([...before.keys()])
  })

  it('computes new and changed images and drops deleted ones', async () => {
    const before = await fileVersions(out)
    await writeImage(photos, key('ant', 0), 300)
    await writeImage(photos, key('cat', 1), 301)
    await unlink(join(photos, key('dog', 5)))
    const { code, stderr } = await update()
    expect(code, stderr).toBe(3)
    // Parts 1 (cat), 2 (dog) and 4 (dog) hold; 0 and 3 were replaced, a new one has the new image.
    expect(untouchedParts(before, await fileVersions(out))).toEqual(['part-00001', 'part-00002', 'part-00004'])
    await checkAsFresh()
  })

  it('follows labels: an image in another folder is another image with another label', async () => {
    await mkdir(join(photos, 'bird'))
    await rename(join(photos, key('cat', 4)), join(photos, key('bird', 4)))
    const { code, stderr } = await update()
    expect(code, stderr).toBe(3)
    expect((await readIndex(out)).find(entry => entry.key === key('bird', 4))?.label).toBe('bird')
    await checkAsFresh()
  })

  it('killed in the middle leaves the old results or the new; the next one ends as if nothing had happened', async () => {
    for (let i = 0; i < 8; i++) await writeImage(photos, key('cat', i), 400 + i)
    for (let i = 10; i < 40; i++) await writeImage(photos, key('emu', i), 500 + i)
    const old = await contents(out)
    const before = await readCommits(out)
    const process = startCli(smallRun(photos, out, ...flags, '--update'))
    const reached = await untilOrEnd(process, async () => (await readCommits(out)).length > before.length + 2)
    process.child.kill('SIGKILL')
    await process.ended
    expect(reached, process.stderr()).toBe(true)
    expect(await commitFaults(out)).toEqual([])
    expect(await filesBelow(out)).not.toContain('_SUCCESS')
    expect(Object.keys(await contents(out))).toEqual(expect.arrayContaining(Object.keys(old)))
    // The dataset changes again before the run goes on.
    await writeImage(photos, key('emu', 39), 999)
    await unlink(join(photos, key('emu', 10)))
    const { code, stderr } = await update()
    expect(code, stderr).toBe(3)
    await checkAsFresh()
  })

  it('of a list follows changed labels without computing', async () => {
    const list = join(await folder(), 'list.csv')
    const where = join(await folder(), 'list-out')
    const rows = (label: string): string =>
      `path,label\nphotos/${key('dog', 0)},a\nphotos/${key('dog', 1)},${label}\nphotos/${key('dog', 2)},c\n`
    await writeFile(list, rows('b'))
    expect((await runCli(smallRun(list, where, '--pool', 'avg'))).code).toBe(0)
    const values = await readNpy(where, 'conv2')
    await writeFile(list, rows('z'))
    // An image that is not computed again need not be there any more than its listing.
    const { code, stderr } = await runCli(smallRun(list, where, '--pool', 'avg', '--update'))
    expect(code, stderr).toBe(0)
    expect((await readIndex(where)).map(({ label }) => label)).toEqual(['a', 'z', 'c'])
    expect(await readNpy(where, 'conv2')).toEqual(values)
    expect((await readCommits(where)).map(({ part }) => part)).toEqual([1])
  })
})
