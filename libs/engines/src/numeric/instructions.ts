import { readFile } from 'node:fs/promises'
import { cpus } from 'node:os'

/**
 * The sets of instructions that ONNX Runtime has float kernels for, best first: each rounds in other places than the others. From the flags
 * of Linux's /proc/cpuinfo; undefined where they do not say.
 */
const sets = [
  ['avx512', ['avx512f', 'avx512bw', 'avx512dq', 'avx512vl']],
  ['fma', ['avx2', 'fma']],
  ['avx', ['avx']],
  ['sse', ['sse2']],
  ['sve', ['sve']],
  ['neon', ['asimd']],
] as const

/** `avx512`, `fma` (AVX2 with FMA), `avx`, `sse`; `sve`, `neon` on ARM; undefined where the text does not say. */
export function parseInstructions(cpuinfo: string): string | undefined {
  const flags = new Set(/^(?:flags|Features)\s*:(.*)$/m.exec(cpuinfo)?.[1]?.trim().split(/\s+/))
  return sets.find(([, needed]) => needed.every(flag => flags.has(flag)))?.[0]
}

/** The name of a CPU as text without spaces, for systems that do not list what it can do. */
function modelName(): string {
  const model = cpus()[0]?.model ?? 'unknown'
  return (
    model
      .toLowerCase()
      .replaceAll(/\((?:r|tm)\)|@.*$|\bcpu\b/g, '')
      .trim()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .slice(0, 40) || 'unknown'
  )
}

let found: Promise<string> | undefined

/** This machine's kind of CPU as it is named for people: `x64-avx512`, `x64-fma`, `arm64-neon`, `arm64-apple-m2`. */
export function cpuKind(): Promise<string> {
  found ??= readFile('/proc/cpuinfo', 'utf8')
    .catch(() => '')
    .then(text => `${process.arch}-${parseInstructions(text) ?? modelName()}`)
  return found
}
