import { readFile, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { runCli, smallRun } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'
import { commitFaults, fileHashes, fileVersions, filesBelow, readCommits, readIndex, readRun } from '../../helpers/results.js'

const folder = testFolder('rerun')
let photos: string
let out: string

beforeAll(async () => {
  photos = join(await folder(), 'photos')
  out = join(await folder(), 'out')
  await writeImages(photos, 7)
})

const run = async (...flags: string[]): Promise<Awaited<ReturnType<typeof runCli>>> => runCli(smallRun(photos, out, ...flags))

describe('a finished run', () => {
  it('says all about itself', async () => {
    const { code, stdout, stderr } = await run('--part-size', '3', '--json')
    expect(code, stderr).toBe(0)
    const events = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, unknown>)
    expect(events.at(-1)).toMatchObject({ event: 'done', out, counts: { images: 7, done: 7, failed: 0, parts: 3 } })
    expect(events.at(-2)).toMatchObject({ event: 'progress', done: 7, failed: 0, total: 7, planned: true })
    const record = await readRun(out)
    expect(record).toMatchObject({
      version: 1,
      state: 'done',
      planned: true,
      partSize: 3,
      spec: { kind: 'extract', source: photos, model: 'googlenet', weights: 'random:1', out },
      identity: {
        model: 'googlenet',
        layers: ['conv2'],
        preparation: { size: { height: 32, width: 32 } },
        precision: 'fp32',
        dtype: 'float32',
        format: 'npy',
      },
      layers: [{ name: 'conv2', shape: [192, 8, 8], dtype: 'float32', bytesPerImage: 192 * 64 * 4 }],
      counts: { images: 7, done: 7, failed: 0, parts: 3 },
      versions: { node: process.version },
    })
    expect((record['identity'] as { weights: string }).weights).toMatch(/^[0-9a-f]{64}$/)
    expect(Date.parse(record['finished'] as string)).toBeGreaterThan(Date.parse(record['created'] as string))
    expect(record['seconds']).toBeGreaterThan(0)
    expect(await filesBelow(out)).toEqual([
      '_SUCCESS',
      ...['commits/part-0000%.json', 'features/conv2/part-0000%.npy', 'index/part-0000%.parquet', 'manifest/part-0000%.jsonl'].flatMap(
        path => [0, 1, 2].map(part => path.replace('%', String(part))),
      ),
      'run.json',
    ])
  })

  it('has commit records that name every result with its true hash', async () => {
    expect(await commitFaults(out)).toEqual([])
    const commits = await readCommits(out)
    expect(commits.map(({ part, images, failed }) => [part, images, failed])).toEqual([
      [0, 3, 0],
      [1, 3, 0],
      [2, 1, 0],
    ])
    const results = (await filesBelow(out)).filter(path => /^(features|index|errors)\//.test(path))
    expect(commits.flatMap(({ files }) => files.map(({ path }) => path)).sort()).toEqual(results)
    // The check itself finds a changed file.
    const path = join(out, 'features/conv2/part-00001.npy')
    const bytes = await readFile(path)
    await writeFile(path, Buffer.concat([bytes.subarray(0, -1), Buffer.from([bytes.at(-1)! ^ 1])]))
    expect(await commitFaults(out)).toEqual(['part 1: features/conv2/part-00001.npy is another file'])
    await writeFile(path, bytes)
  })

  it('is left alone by the same command, but for a missing _SUCCESS', async () => {
    await unlink(join(out, '_SUCCESS'))
    const before = await fileVersions(out)
    const record = await readFile(join(out, 'run.json'), 'utf8')
    const { code, stderr } = await run('--part-size', '3')
    expect(code, stderr).toBe(0)
    expect(stderr).toContain('already done')
    const after = await fileVersions(out)
    expect(after.delete('_SUCCESS')).toBe(true)
    expect(after).toEqual(before)
    expect(await readFile(join(out, 'run.json'), 'utf8')).toBe(record)
  })

  it('refuses another spec, naming what differs, and is replaced by --overwrite', async () => {
    await writeFile(join(out, 'notes.md'), 'of the user')
    const before = await fileVersions(out)
    const refused = await run('--layers', 'conv1', '--pool', 'max')
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toContain('[RUN_CONFLICT]')
    expect(refused.stderr).toContain('layers was conv2, is conv1')
    expect(refused.stderr).toContain('pool was none, is max')
    expect(refused.stderr).toContain('--overwrite')
    expect(await fileVersions(out)).toEqual(before)

    const replaced = await run('--layers', 'conv1', '--pool', 'max', '--overwrite')
    expect(replaced.code, replaced.stderr).toBe(0)
    expect(await filesBelow(out)).toEqual([
      '_SUCCESS',
      'commits/part-00000.json',
      'features/conv1/part-00000.npy',
      'index/part-00000.parquet',
      'manifest/part-00000.jsonl',
      'notes.md',
      'run.json',
    ])
    expect(await readRun(out)).toMatchObject({ layers: [{ name: 'conv1', shape: [64] }], counts: { parts: 1 } })
    expect((await readIndex(out)).length).toBe(7)
  })

  it('is the same bytes when it is computed elsewhere', async () => {
    const other = join(await folder(), 'other')
    const { code, stderr } = await runCli(smallRun(photos, other, '--layers', 'conv1', '--pool', 'max'))
    expect(code, stderr).toBe(0)
    const { 'notes.md': _notes, ...expected } = await fileHashes(out)
    expect(await fileHashes(other)).toEqual(expected)
  })
})
