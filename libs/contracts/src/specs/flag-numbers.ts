import { byteCount } from './spec-text.js'
import { LayermillError } from '@layermill/core'

/**
 * A flag's whole number.
 * @throws LayermillError `SPEC_INVALID` naming the flag.
 */
export function flagCount(flag: string, text: string, from: number, to: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= from && value <= to) return value
  throw new LayermillError('SPEC_INVALID', `${flag}: got ${JSON.stringify(text)}, expected a whole number from ${from} to ${to}`)
}

/** A flag's seconds as milliseconds: at least one. */
export function flagMilliseconds(flag: string, text: string): number {
  const value = Number(text)
  if (/^\d+(\.\d+)?$/.test(text) && value >= 1 && value <= 86_400) return value * 1000
  throw new LayermillError('SPEC_INVALID', `${flag}: got ${JSON.stringify(text)}, expected seconds from 1 to 86400`)
}

/** A flag's amount of bytes, as 500MB or 20G. */
export function flagBytes(flag: string, text: string): number {
  const value = byteCount(text)
  if (value !== undefined) return value
  throw new LayermillError('SPEC_INVALID', `${flag}: got ${JSON.stringify(text)}, expected bytes, as 20GB`)
}
