import { cpus } from 'node:os'
import { computeThreads } from '@layermill/core'

/** Model of this machine's processors, and how many compute: what is measured here holds for these. */
export const processorText = (): string => `${computeThreads()} x ${cpus()[0]?.model ?? 'processor'}`
