import { readFile } from 'node:fs/promises'

/** Flags of CPUs that multiply 8-bit numbers as fast as int8 promises: x86's VNNI and ARM's dot products. */
const fast = new Set(['avx512_vnni', 'avx_vnni', 'asimddp', 'i8mm'])

/**
 * Whether a CPU has instructions for products of 8-bit numbers, by the text of Linux's /proc/cpuinfo; undefined where that does not say.
 */
export function parseInt8Instructions(cpuinfo: string): boolean | undefined {
  const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(cpuinfo)?.[1]?.trim().split(/\s+/)
  return flags?.some(flag => fast.has(flag))
}

/** Whether this machine's CPU has them, or undefined where it does not say. */
export async function hasInt8Instructions(): Promise<boolean | undefined> {
  const text = await readFile('/proc/cpuinfo', 'utf8').catch(() => '')
  return parseInt8Instructions(text)
}
