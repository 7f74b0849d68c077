import type { Preparation, Size2 } from '../graph.js'

type Triple = Preparation['mean']

/** Longest side that a preparation may ask for. */
const mostPixels = 16_384

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
export const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
export const isTriple = (value: unknown): value is Triple => Array.isArray(value) && value.length === 3 && value.every(isNumber)
export const isDeviation = (value: unknown): value is Triple => isTriple(value) && value.every(number => number > 0)
export const isSide = (value: unknown): value is number => isNumber(value) && Number.isInteger(value) && value > 0 && value <= mostPixels
export const isSize = (value: unknown): value is Size2 => Array.isArray(value) && value.length === 2 && value.every(isSide)
export const isShare = (value: unknown): value is number => isNumber(value) && value > 0 && value <= 1
