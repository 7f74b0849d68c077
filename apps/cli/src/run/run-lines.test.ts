import { beforeEach, describe, expect, it } from 'vitest'
import { int8Line, leftOutLine, phaseLines, sayComputers } from './run-lines.js'

const here = { engine: 'onnx', version: 'onnxruntime 1.23', device: 'cpu', cpu: 'x64-avx512.994d2455' }
const fma = { ...here, cpu: 'x64-fma.0a1b2c3d' }
const warning =
  'warning: the parts are not of one kind of machine, so their last bits differ: onnxruntime 1.23 on cpu x64-avx512.994d2455 (3 parts); onnxruntime 1.23 on cpu x64-fma.0a1b2c3d (1 part); --require-cpu same lets one kind only compute'

let notes: string[] = []
const output = { line: () => undefined, json: () => undefined, note: (text: string) => void notes.push(text) }
beforeEach(() => {
  notes = []
})

describe('parts that were computed by several kinds of machine', () => {
  it.each([
    [[], []],
    [[{ ...here, parts: 4 }], []],
    [
      [
        { ...here, parts: 3 },
        { ...fma, parts: 1 },
      ],
      [warning],
    ],
  ])('%j', (computedBy, expected) => {
    sayComputers(output, computedBy)
    expect(notes).toEqual(expected)
  })

  it('say nothing where a run is older than their record', () => {
    sayComputers(output)
    expect(notes).toEqual([])
  })
})

describe('what a listing left out', () => {
  it("has unlabelled images that were left out on request, and not a system's own files", () => {
    const unlabelled = { reason: 'without a label', count: 2, examples: ['b.jpg'], expected: true }
    expect(leftOutLine({ total: 0, reasons: [unlabelled] })).toMatch(/^left out: .*2.*without a label/)
    expect(leftOutLine({ total: 0, reasons: [{ reason: 'hidden', count: 2, examples: ['.x'], expected: true }] })).toBeUndefined()
    expect(leftOutLine({ total: 1, reasons: [{ reason: 'broken link', count: 1, examples: ['x.jpg'] }] })).toContain(
      '(--strict makes that an error)',
    )
  })
})

it('says what took the time of each worker', () => {
  const seconds = { read: 0.5, decode: 1, compute: 8, write: 0.1, all: 10 }
  expect(phaseLines([{ parts: 2, images: 1, seconds }])).toEqual(['one process: 1 image, busy read 5%, decode 10%, compute 80%, write 1%'])
  const told = { parts: 2, images: 16, seconds: { ...seconds, exchange: 2 } }
  expect(
    phaseLines([
      { worker: 'a', ...told },
      { worker: 'b', parts: 0, images: 0, seconds: { read: 0, decode: 0, compute: 0, write: 0, all: 0 } },
    ]),
  ).toEqual([
    'a: 16 images, busy read 5%, decode 10%, compute 80%, exchange 20%, write 1%',
    'b: 0 images, busy read 0%, decode 0%, compute 0%, exchange 0%, write 0%',
  ])
})

it('says how far int8 agrees with float32', () => {
  const found = {
    method: 'min-max' as const,
    images: 64,
    compared: 60,
    heldOut: true,
    cosine: { fc: { mean: 0.99951, smallest: 0.98765 } },
  }
  expect(int8Line(found)).toBe('cosine to float32 on 60 images: fc 0.9995 (smallest 0.9877)')
  expect(int8Line({ ...found, top1: 0.95, labelled: { images: 50, fp32: 0.9, int8: 0.88, decides: true }, float32: ['fc', 'pool'] })).toBe(
    'cosine to float32 on 60 images: fc 0.9995 (smallest 0.9877), same class 95.0%, top-1 by the labels of 50 images 88.0% (90.0% in fp32); computed in float32: fc, pool',
  )
  expect(int8Line({ ...found, labelled: { images: 50, fp32: 0.02, int8: 0.02, decides: false } })).toContain(
    'top-1 by the labels of 50 images 2.0% (2.0% in fp32, too few in fp32 to decide by)',
  )
})
