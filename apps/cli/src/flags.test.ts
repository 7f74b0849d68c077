import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readSpecFile } from './flags.js'

let folder = ''
const at = (name: string): string => join(folder, name)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-flags-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it('reads YAML and JSON', async () => {
  await writeFile(at('a.yaml'), 'model: vgg16\nlayers: [fc6, fc7]\n')
  await writeFile(at('a.json'), '{"model": "vgg16", "layers": ["fc6", "fc7"]}')
  expect(await readSpecFile(at('a.yaml'))).toEqual({ model: 'vgg16', layers: ['fc6', 'fc7'] })
  expect(await readSpecFile(at('a.json'))).toEqual({ model: 'vgg16', layers: ['fc6', 'fc7'] })
})

it('refuses what would take long to parse, and does not read what is too long', async () => {
  await writeFile(at('deep.json'), '{"model":'.repeat(500_000).slice(0, 1_000_000))
  await expect(readSpecFile(at('deep.json'))).rejects.toMatchObject({
    code: 'SPEC_INVALID',
    message: expect.stringMatching(/^--file .*deep\.json: nests deeper than 32 levels/),
  })
  await writeFile(at('long.yaml'), '')
  await truncate(at('long.yaml'), 3e9)
  await expect(readSpecFile(at('long.yaml'))).rejects.toMatchObject({
    code: 'SPEC_INVALID',
    message: expect.stringContaining('has 3000000000 bytes'),
  })
  await expect(readSpecFile(at('none.yaml'))).rejects.toMatchObject({ code: 'SPEC_INVALID', message: expect.stringContaining('none.yaml') })
})
