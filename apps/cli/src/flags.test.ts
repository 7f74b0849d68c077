import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorMessage } from '@layermill/core'
import { expect, it } from 'vitest'
import { specFromFlags } from './flags.js'

const given = { model: 'resnet50', out: '/out' }
async function refusal(options: Record<string, unknown>): Promise<string> {
  try {
    await specFromFlags('extract', '/in', { ...given, ...options })
    return 'taken'
  } catch (error) {
    return errorMessage(error)
  }
}

it('names what is wrong by the flag as it is typed', async () => {
  const message = await refusal({ maxErrors: 'many', partSize: '0', size: '32by32' })
  expect(message.split('\n').map(line => line.split(':')[0])).toEqual(['--size', '--max-errors', '--part-size'])
  expect(message).toContain('--max-errors: got "many", expected ')
})

it('names fields of a file as they are written there', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'layermill-flags-'))
  const file = join(folder, 'run.yaml')
  await writeFile(file, 'maxErrors: many\n')
  expect(await refusal({ file })).toMatch(/^maxErrors: got "many"/)
  await rm(folder, { recursive: true })
})
