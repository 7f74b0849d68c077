import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { contactSheet } from './contact-sheet.js'
import { writeSampleImages } from './sample-images.js'

let folder = ''
let files: string[] = []

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'layermill-demo-'))
  files = await writeSampleImages(path.join(folder, 'first'))
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

/** Mean brightness of the pixels' differences from the picture's mean: what a flat picture has none of. */
async function contrast(file: string): Promise<number> {
  const { channels } = await sharp(file).stats()
  return channels.reduce((sum, { stdev }) => sum + stdev, 0) / channels.length
}

describe('writeSampleImages', () => {
  it('draws six pictures in each of four groups, as JPEG and PNG, 400 to 640 pixels a side', async () => {
    expect(files.map(file => path.basename(file).replace(/-.*/, ''))).toEqual(
      ['checkerboard', 'disc', 'landscape', 'stripe'].flatMap(group => Array<string>(6).fill(group)),
    )
    for (const file of files) {
      const { width, height, format, channels, hasAlpha } = await sharp(file).metadata()
      expect(format, file).toBe(file.endsWith('.png') ? 'png' : 'jpeg')
      expect(channels).toBe(3)
      expect(hasAlpha).toBe(false)
      for (const side of [width, height]) {
        expect(side).toBeGreaterThanOrEqual(400)
        expect(side).toBeLessThanOrEqual(640)
      }
      expect(await contrast(file), file).toBeGreaterThan(15)
    }
    expect(new Set(files.map(file => path.extname(file)))).toEqual(new Set(['.jpg', '.png']))
  })

  it('draws the same pictures again, and no two alike', async () => {
    const again = await writeSampleImages(path.join(folder, 'second'))
    const bytes = await Promise.all(files.map(async file => (await readFile(file)).toString('base64')))
    expect(await Promise.all(again.map(async file => (await readFile(file)).toString('base64')))).toEqual(bytes)
    expect(new Set(bytes).size).toBe(files.length)
  })
})

describe('contactSheet', () => {
  it('writes a self-contained page and a picture of all rows', async () => {
    const odd = path.join(folder, 'a & <b>.png')
    await sharp(files[0]).png().toFile(odd)
    const rows = [
      {
        image: odd,
        neighbours: [
          { path: files[1] ?? '', score: 0.9876 },
          { path: files[2] ?? '', score: 0.5 },
        ],
      },
      { image: files[6] ?? '', neighbours: [{ path: odd, score: 0.25 }] },
    ]
    const sheet = await contactSheet(rows, path.join(folder, 'sheet'))
    const page = await readFile(sheet.html, 'utf8')
    expect(page.match(/<img /g)).toHaveLength(5)
    expect(page).not.toMatch(/src="(?!data:image\/jpeg;base64,\/9j\/)/)
    expect(page).toContain('a &#38; &#60;b&#62;.png')
    expect(page).not.toContain('<b>')
    expect(page).toContain('0.988')
    const { format, width, height } = await sharp(sheet.png).metadata()
    expect({ format, width, height }).toEqual({ format: 'png', width: 3 * 136 + 16, height: 2 * 168 + 8 })
    // The first neighbour's thumbnail is where it belongs: in the picture at its place, to JPEG's accuracy.
    const place = await sharp(sheet.png).extract({ left: 152, top: 8, width: 128, height: 128 }).removeAlpha().raw().toBuffer()
    const expected = await sharp(files[1]).resize(128, 128, { fit: 'cover' }).raw().toBuffer()
    const difference = place.reduce((sum, value, i) => sum + Math.abs(value - (expected[i] ?? 0)), 0) / place.length
    expect(difference).toBeLessThan(4)
  })

  it('refuses to be empty', async () => {
    await expect(contactSheet([], path.join(folder, 'empty'))).rejects.toThrow('at least one row')
  })
})
