import { expect, it } from 'vitest'
import { openEngine } from '../open.js'
import { cpuKind, parseInstructions } from './instructions.js'
import { cpuFits, numericClass } from './numeric-class.js'

it.each([
  ['flags\t\t: fpu sse2 avx fma avx2 avx512f avx512dq avx512bw avx512vl\n', 'avx512'],
  // The first CPUs with AVX-512 lack what the runtime's kernels need.
  ['flags\t\t: fpu sse2 avx fma avx2 avx512f avx512cd\n', 'fma'],
  ['flags\t\t: fpu sse2 avx fma avx2\n', 'fma'],
  // AVX2 without FMA, and FMA without AVX2, are no such kernels.
  ['flags\t\t: fpu sse2 avx avx2\n', 'avx'],
  ['flags\t\t: fpu sse2 avx fma\n', 'avx'],
  ['flags\t\t: fpu sse2 ssse3\n', 'sse'],
  ['Features\t: fp asimd asimddp\n', 'neon'],
  ['Features\t: fp asimd sve\n', 'sve'],
  ['', undefined],
  ['model name\t: avx512f\n', undefined],
])('reads the instructions from %j', (cpuinfo, expected) => {
  expect(parseInstructions(cpuinfo)).toBe(expected)
})

it('is the same for every engine of a machine, with any number of threads, and another with another runtime', async () => {
  const engines = await Promise.all([
    openEngine({ threads: 1 }),
    openEngine({ threads: 2 }),
    openEngine({ engine: 'tfjs', device: 'cpu-portable' }),
  ])
  try {
    const [first, second, portable] = await Promise.all(engines.map(engine => numericClass(engine)))
    expect(first).toMatch(/^[\w-]+\.[0-9a-f]{8}$/)
    expect(first!.startsWith(`${await cpuKind()}.`)).toBe(true)
    expect(second).toBe(first)
    expect(portable).not.toBe(first)
  } finally {
    await Promise.all(engines.map(engine => engine.close()))
  }
})

it.each([
  ['x64-fma.5ebf3070', true],
  ['x64-fma', true],
  ['fma', true],
  ['x64-fma.5ebf3071', false],
  ['x64-avx512', false],
  ['avx', false],
  ['arm64-fma', false],
  ['5ebf3070', false],
])('fits %j: %j', (wanted, fits) => {
  expect(cpuFits(wanted, 'x64-fma.5ebf3070')).toBe(fits)
})
