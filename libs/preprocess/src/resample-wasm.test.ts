import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import openWabt from 'wabt'
import { RESAMPLE_WASM } from './resample-wasm.js'

it('is what wasm/resample.wat assembles to', async () => {
  const text = await readFile(new URL('../wasm/resample.wat', import.meta.url), 'utf8')
  const wabt = await openWabt()
  const module = wabt.parseWat('resample.wat', text, { simd: true })
  expect(RESAMPLE_WASM).toBe(Buffer.from(module.toBinary({}).buffer).toString('base64'))
})
