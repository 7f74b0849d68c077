import { totalmem } from 'node:os'

/**
 * Bytes of memory that this process may use: its control group's limit, where there is one, else all of the machine's.
 * @param constrained as `process.constrainedMemory` gives it: without a limit it is undefined, 0, or a number larger than any memory
 */
export function memoryLimit(constrained: number | undefined = process.constrainedMemory(), total = totalmem()): number {
  return constrained === undefined || !(constrained > 0) ? total : Math.min(constrained, total)
}
