import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { contactSheet } from './contact-sheet.js'
import { textPath, textWidth } from './stroke-font.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-sheet-'))
  const colour = { create: { width: 40, height: 30, channels: 3, background: '#c03020' } } as const
  for (const name of ['one.png', 'two.png']) await sharp(colour).toFile(join(folder, name))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const rows = (): Parameters<typeof contactSheet>[0] => [
  { image: join(folder, 'one.png'), neighbours: [{ path: join(folder, 'two.png'), score: 0.5 }] },
]

it('shows the same picture on a machine without fonts', async () => {
  const { png } = await contactSheet(rows(), join(folder, 'here'))
  const none = join(folder, 'fonts.conf')
  await writeFile(none, '<?xml version="1.0"?><fontconfig></fontconfig>')
  const program = `import { contactSheet } from ${JSON.stringify(new URL('../../dist/demo/contact-sheet.js', import.meta.url).href)}
await contactSheet(${JSON.stringify(rows())}, ${JSON.stringify(join(folder, 'bare'))})`
  execFileSync(process.execPath, ['--input-type=module', '-e', program], { env: { FONTCONFIG_FILE: none, HOME: folder } })
  expect(await readFile(join(folder, 'bare.png'))).toEqual(await readFile(png))
})

/** Pixels of a text that are darker than a middle grey, as rows of marks. */
async function drawn(text: string): Promise<string[]> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="24" height="32"><rect width="100%" height="100%" fill="#fff"/>${textPath(text, { x: 4, y: 24, size: 25, colour: '#000' })}</svg>`
  const { data, info } = await sharp(Buffer.from(svg)).greyscale().raw().toBuffer({ resolveWithObject: true })
  return Array.from({ length: info.height }, (_, y) =>
    Array.from({ length: info.width }, (_, x) => (data[(y * info.width + x) * info.channels]! < 128 ? '#' : ' ')).join(''),
  )
}

it('draws every printable letter of ASCII in a way of its own, within its height', async () => {
  const seen = new Map<string, string>()
  for (let code = 33; code < 127; code++) {
    const letter = String.fromCharCode(code)
    const picture = await drawn(letter)
    expect(picture.join(''), letter).toContain('#')
    // A zero is the letter O, as in many fonts.
    if (letter !== 'O') expect(seen.get(picture.join('\n')), letter).toBeUndefined()
    seen.set(picture.join('\n'), letter)
    expect(picture[0], letter).not.toContain('#')
  }
})

it('draws what it has no letter for as a box, and letters with accents without them', async () => {
  expect(await drawn('é')).toEqual(await drawn('e'))
  expect(await drawn('語')).toEqual(await drawn('界'))
  expect(await drawn('語')).not.toEqual(await drawn(' '))
  expect(textWidth('語', 10)).toBeGreaterThan(0)
})
