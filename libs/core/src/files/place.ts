import { resolve } from 'node:path'
import { schemeOf } from '../net/url-scheme.js'

/** A path made absolute; a URL as it is. */
export const absolutePlace = (place: string, cwd: string): string => (schemeOf(place) === undefined ? resolve(cwd, place) : place)
