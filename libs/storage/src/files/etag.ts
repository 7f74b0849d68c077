import type { BigIntStats } from 'node:fs'

/** A file's version: `size-mtimeNs`, both in hexadecimal. */
export function fileEtag(info: BigIntStats): string {
  return `${info.size.toString(16)}-${info.mtimeNs.toString(16)}`
}
