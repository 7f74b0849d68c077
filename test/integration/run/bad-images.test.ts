import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'
import { runCli, smallRun } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { imageBytes, writeImage, writeImages } from '../../helpers/images.js'
import { commitFaults, filesBelow, readErrors, readIndex, readNpy, readRun } from '../../helpers/results.js'

const folder = testFolder('bad-images')

/** A PNG header that promises 60,000 x 60,000 pixels. */
function bomb(): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
    const length = Buffer.alloc(4)
    length.writeUInt32BE(data.length)
    const check = Buffer.alloc(4)
    check.writeUInt32BE(crc32(body))
    return Buffer.concat([length, body, check])
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(60_000, 0)
  header.writeUInt32BE(60_000, 4)
  header.set([8, 2, 0, 0, 0], 8)
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.alloc(100_000))),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function crc32(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return (crc ^ 0xffffffff) >>> 0
}

const expectedCodes = {
  'bomb.png': 'IMAGE_TOO_LARGE',
  'corrupt.png': 'IMAGE_CORRUPT',
  'empty.png': 'IMAGE_EMPTY',
  'missing.png': 'IMAGE_MISSING',
  'text.jpg': 'IMAGE_NOT_AN_IMAGE',
  'truncated.jpg': 'IMAGE_TRUNCATED',
}

let photos: string
let list: string
let good: string[]

beforeAll(async () => {
  photos = join(await folder(), 'photos')
  await mkdir(photos)
  good = await writeImages(photos, 10)
  const jpeg = await imageBytes(1, { width: 200, height: 200, format: 'jpeg' })
  await writeFile(join(photos, 'truncated.jpg'), jpeg.subarray(0, Math.floor(jpeg.length * 0.6)))
  // The compressed pixels are overwritten.
  const corrupt = await imageBytes(1, { width: 200, height: 200 })
  corrupt.fill(0x55, 60, corrupt.length - 30)
  await writeFile(join(photos, 'corrupt.png'), corrupt)
  await writeFile(join(photos, 'empty.png'), '')
  await writeFile(join(photos, 'text.jpg'), 'this is not a picture\n'.repeat(50))
  await writeFile(join(photos, 'bomb.png'), bomb())
  list = join(await folder(), 'list.txt')
  // Bad ones among good ones, so that parts have both.
  const bad = Object.keys(expectedCodes)
  await writeFile(
    list,
    good
      .flatMap((key, i) => [key, ...(i < bad.length ? [bad[i]!] : [])])
      .map(key => `photos/${key}\n`)
      .join(''),
  )
})

describe('bad images', () => {
  it('are recorded with their reasons and left out; the run is done with exit code 3', async () => {
    const out = join(await folder(), 'allowed')
    const { code, stdout, stderr } = await runCli(smallRun(list, out, '--max-errors', '6', '--part-size', '5'))
    expect(code, stderr).toBe(3)
    expect(stdout).toContain('10 images, 6 failed')
    expect(stderr).toMatch(/6 images failed:\n(.*\n){6} {2}\(all reasons are in .*\/errors\/\)/)
    for (const [key, reason] of Object.entries(expectedCodes))
      expect(stderr).toMatch(new RegExp(`^ {2}photos/${key}: .+ {2}\\[${reason}\\]$`, 'm'))
    const errors = await readErrors(out)
    expect(Object.fromEntries(errors.map(({ key, code: reason }) => [key.replace('photos/', ''), reason]))).toEqual(expectedCodes)
    for (const { reason } of errors) expect(reason.length).toBeGreaterThan(10)
    // Every image once: with a result, or with a reason.
    const index = await readIndex(out)
    expect(index.map(({ key }) => key)).toEqual(good.map(key => `photos/${key}`))
    expect([...index, ...errors].map(({ key }) => key).sort()).toEqual(
      [...good, ...Object.keys(expectedCodes)].map(key => `photos/${key}`).sort(),
    )
    expect(await readRun(out)).toMatchObject({ state: 'done', counts: { images: 16, done: 10, failed: 6, parts: 4 } })
    expect(await commitFaults(out)).toEqual([])
    expect(await filesBelow(out)).toContain('_SUCCESS')

    const again = await runCli(smallRun(list, out, '--max-errors', '6', '--part-size', '5'))
    expect(again.code, again.stderr).toBe(3)
    expect(again.stderr).toContain('already done')
  })

  it('beyond --max-errors fail the run with a summary; it goes on when more are allowed', async () => {
    const out = join(await folder(), 'refused')
    const refused = await runCli(smallRun(list, out, '--max-errors', '2', '--part-size', '4'))
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(/\d images failed, more than --max-errors 2 allows/)
    expect(refused.stderr).toContain('[TOO_MANY_ERRORS]')
    const failed = await readRun(out)
    expect(failed).toMatchObject({ state: 'failed', error: { code: 'TOO_MANY_ERRORS' } })
    // As many as are recorded, each by name.
    const recorded = await readErrors(out)
    expect(failed.counts.failed).toBe(recorded.length)
    expect(refused.stderr).toContain(`${recorded.length} images failed`)
    for (const { key, reason } of recorded) expect(refused.stderr).toContain(`${key}: ${reason}`)
    expect(await filesBelow(out)).not.toContain('_SUCCESS')

    const allowed = await runCli(smallRun(list, out, '--max-errors', '50%', '--part-size', '4'))
    expect(allowed.code, allowed.stderr).toBe(3)
    const record = await readRun(out)
    expect(record).toMatchObject({ state: 'done', counts: { images: 16, done: 10, failed: 6 } })
    expect(record.error).toBeUndefined()
    expect((await readIndex(out)).length + (await readErrors(out)).length).toBe(16)
  })

  it.each([
    ['--max-errors', '6', 3],
    ['--max-errors', '2', 1],
  ] as const)('are named by predict, which keeps nothing without a file, %s %s', async (flag, most, expected) => {
    const network = ['--model', 'googlenet', '--weights', 'random:1', '--device', 'cpu', '--part-size', '16']
    const { code, stdout, stderr } = await runCli(['predict', list, ...network, flag, most])
    expect(code, stderr).toBe(expected)
    if (expected === 3) {
      expect(stdout.match(/^photos\//gm)).toHaveLength(10)
      for (const [key, reason] of Object.entries(expectedCodes))
        expect(stderr).toMatch(new RegExp(`^ {2}photos/${key}: .+ {2}\\[${reason}\\]$`, 'm'))
    } else for (const key of Object.keys(expectedCodes)) expect(stderr).toContain(`photos/${key}: `)
    expect(stderr).toContain('6 images failed')
    expect(stderr).toContain('with --out FILE all reasons are kept in FILE.run/errors/')
    expect(stderr).not.toMatch(/layermill-predict-/)
  })

  it('mended, are all that --retry-failed computes, also after the run had failed', async () => {
    const mended = join(await folder(), 'mended')
    const keys = await writeImages(mended, 9)
    for (const key of [keys[1]!, keys[7]!]) await writeFile(join(mended, key), await imageBytes(1).then(bytes => bytes.subarray(0, 40)))
    const out = join(await folder(), 'mended-out')
    const failed = await runCli(smallRun(mended, out, '--part-size', '3', '--max-errors', '0'))
    expect(failed).toMatchObject({ code: 1 })
    await writeImage(mended, keys[1]!, 1)

    const once = await runCli(smallRun(mended, out, '--part-size', '3', '--max-errors', '1', '--retry-failed'))
    expect(once.code, once.stderr).toBe(3)
    expect((await readErrors(out)).map(({ key }) => key)).toEqual([keys[7]])
    const kept = await readFile(join(out, 'index', 'part-00001.parquet'))
    await writeImage(mended, keys[7]!, 7)

    const twice = await runCli(smallRun(mended, out, '--part-size', '3', '--max-errors', '1', '--retry-failed'))
    expect(twice.code, twice.stderr).toBe(0)
    expect(twice.stderr).toContain('trying the failed images again')
    expect(await readFile(join(out, 'index', 'part-00001.parquet'))).toEqual(kept)
    expect(await readErrors(out)).toEqual([])
    expect(await commitFaults(out)).toEqual([])
    expect((await filesBelow(out)).filter(path => path.startsWith('errors/'))).toEqual([])

    const fresh = join(await folder(), 'mended-fresh')
    expect((await runCli(smallRun(mended, fresh, '--part-size', '3'))).code).toBe(0)
    expect(Object.fromEntries(await readNpy(out, 'conv2'))).toEqual(Object.fromEntries(await readNpy(fresh, 'conv2')))
  })
})
