// Assembles resample.wat into ../src/resample-wasm.ts. Run it after changing the former: `node wasm/build.mjs`.
import { readFileSync, writeFileSync } from 'node:fs'
import openWabt from 'wabt'

const wabt = await openWabt()
const module = wabt.parseWat('resample.wat', readFileSync(new URL('resample.wat', import.meta.url), 'utf8'), { simd: true })
const base64 = Buffer.from(module.toBinary({}).buffer).toString('base64')
const lines = base64.match(/.{1,120}/g).map(line => `  '${line}'`).join(' +\n')
writeFileSync(new URL('../src/resample-wasm.ts', import.meta.url),
  `/** wasm/resample.wat, assembled by wasm/build.mjs (a test compares the two). Do not edit. */
export const RESAMPLE_WASM =
${lines}
`)
