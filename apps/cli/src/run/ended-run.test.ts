/** Lines that the commands of a fleet write of a run that ended. */
import { expect, it, vi } from 'vitest'
import { extractCommand } from '../commands/extract/action.js'
import { predictCommand } from '../commands/predict/action.js'
import type { EndedRun } from './submit.js'

const here = { engine: 'onnx', version: 'onnxruntime 1.23', device: 'cpu', cpu: 'x64-avx512.994d2455', parts: 3 }
const ended = vi.hoisted(() => ({ run: {} as unknown }))
vi.mock('./submit.js', () => ({ isRemote: () => true, submitAndFollow: async () => ended.run as EndedRun }))

it.each([
  ['extract', extractCommand, { layers: 'pool5', out: '/nowhere/features' }],
  ['predict', predictCommand, { out: '/nowhere/classes.csv' }],
] as const)('%s warns where the parts are of several kinds of CPU, and only there', async (_kind, command, fields) => {
  const said = async (...computedBy: unknown[]): Promise<string[]> => {
    ended.run = { id: 'run-1', counts: { images: 8, done: 8, failed: 0, parts: 4 }, layers: [], computedBy }
    const notes: string[] = []
    const output = { line: () => undefined, json: () => undefined, note: (text: string) => void notes.push(text) }
    expect(await command(output, '/nowhere/photos', { model: 'resnet50', ...fields })).toBe(0)
    return notes
  }
  expect(await said(here)).toEqual([])
  expect(await said(here, { ...here, cpu: 'x64-fma.0a1b2c3d', parts: 1 })).toEqual([
    expect.stringMatching(
      /^warning: the parts are not of one kind of machine.* x64-avx512\.994d2455 \(3 parts\).* x64-fma\.0a1b2c3d \(1 part\)/,
    ),
  ])
})
