import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { specFromFlags } from './flags.js'
import { readLabels } from './labels-file.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-labels-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function fileOf(text: string): Promise<string> {
  const path = join(folder, 'labels')
  await writeFile(path, text)
  return path
}

describe('labels', () => {
  it.each(['cat\ndog\n', '\uFEFFcat\r\ndog', '["cat", "dog"]', '{"1": "dog", "0": "cat"}', '{"dog": 1, "cat": 0}'])(
    'are read from %j',
    async text => {
      expect(await readLabels(await fileOf(text))).toEqual(['cat', 'dog'])
    },
  )

  it.each(['', 'cat\n\ndog', '[1, 2]', '{"0": "cat", "2": "dog"}', '{"a"'])('are refused in %j', async text => {
    await expect(readLabels(await fileOf(text))).rejects.toMatchObject({ code: 'SPEC_INVALID' })
  })

  it('come into the spec by the flag', async () => {
    const spec = await specFromFlags('predict', 'photos', { model: 'resnet50', labels: await fileOf('cat\ndog') })
    expect(spec).toMatchObject({ labels: ['cat', 'dog'] })
  })
})
