import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { candidateDevices } from './gpu-presence.js'

let devices: string
beforeEach(async () => {
  devices = await mkdtemp(join(tmpdir(), 'layermill-dev-'))
})
afterEach(() => rm(devices, { recursive: true }))

it('tries only the CPU where no GPU shows', async () => {
  expect(await candidateDevices('linux', devices)).toEqual({
    candidates: ['cpu'],
    report: ['no NVIDIA GPU', 'no graphics device for webgpu'],
  })
})

it('tries what the device files promise, best first', async () => {
  await mkdir(join(devices, 'dri'))
  await writeFile(join(devices, 'dri', 'renderD128'), '')
  expect((await candidateDevices('linux', devices)).candidates).toEqual(['webgpu', 'cpu'])
  await writeFile(join(devices, 'nvidia0'), '')
  expect((await candidateDevices('linux', devices)).candidates).toEqual(['cuda', 'webgpu', 'cpu'])
})

it('tries everything where devices have no files', async () => {
  expect((await candidateDevices('darwin', devices)).candidates).toEqual(['cuda', 'webgpu', 'cpu'])
})
