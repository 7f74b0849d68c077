import { errorMessage } from '@layermill/core'
import { expect, it } from 'vitest'
import type { Output } from '../../output/output.js'
import { verifyDeviceCommand, type VerifyDeviceOptions } from './action.js'

async function verify(options: Partial<VerifyDeviceOptions>): Promise<{ code: number; lines: string[]; json: unknown[] }> {
  const lines: string[] = []
  const json: unknown[] = []
  const output: Output = { line: text => void lines.push(text), json: value => void json.push(value), note: () => undefined }
  const defaults = { device: 'cpu', engine: 'onnx', precision: 'fp32', batchSize: '1' } as const
  return { code: await verifyDeviceCommand(output, { ...defaults, ...options }), lines, json }
}

it('holds operators and a network on the CPU against stored values, on one page', async () => {
  const { code, lines } = await verify({ networks: 'googlenet' })
  expect(code, lines.join('\n')).toBe(0)
  expect(lines[0]).toBe('Layermill on onnx/cpu')
  const page = lines.join('\n')
  const [, good, all] = /(\d+) of (\d+) groups of operators passed, largest difference from float64 \d\.\de-\d+/.exec(page) ?? []
  expect(Number(good)).toBeGreaterThan(10)
  expect(good).toBe(all)
  expect(page).toMatch(/^googlenet {2}passed {2}pool5: largest difference .*, cosine 1\.0000000, \S+ images\/s$/m)
  expect(page).toMatch(/1 of 1 networks passed/)
}, 120_000)

it('tells the same as JSON, and computes operators alone where no network is asked for', async () => {
  const { code, lines, json } = await verify({ networks: 'none', json: true })
  expect([code, lines]).toEqual([0, []])
  expect(json).toMatchObject([{ engine: 'onnx', device: 'cpu', networks: [] }])
  const [{ operators }] = json as [{ operators: { name: string; passed: boolean }[] }]
  expect(operators.filter(({ passed }) => !passed)).toEqual([])
})

it.each([
  [{ networks: 'resnet51' }, /--networks: got "resnet51", expected some of vgg16/],
  [{ batchSize: '0' }, /--batch-size: got "0"/],
])('refuses %j before anything is computed', async (options, message) => {
  const failure = await verify(options).catch((error: unknown) => errorMessage(error))
  expect(failure).toMatch(message)
})
