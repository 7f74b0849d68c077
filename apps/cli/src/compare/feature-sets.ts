import { basename } from 'node:path'
import type { RowSource } from '@layermill/analysis'
import { globMatcher, absolutePlace, errorMessage, fromBytes, LayermillError, openFile } from '@layermill/core'
import { featureRows, openFeatureSet } from '@layermill/orchestrator/features'
import { splitFile } from '@layermill/orchestrator/results'
import { readRunRecord } from '@layermill/orchestrator/run'
import { arrayRows, decodeNumbers, openNpyRows, openParquetRows, openRanges, openStore, type Store } from '@layermill/storage'
import { openNpzArrays } from '@layermill/weights'

/** One set of features: rows of numbers, with the keys of the images that they are of where these are known. */
export interface NamedSet {
  /** Unique among the sets of a comparison. */
  readonly name: string
  /** The argument that it comes from. */
  readonly place: string
  readonly source: RowSource
  readonly keys: readonly string[] | undefined
}

/** Sets that are open, and how to close their files. */
export interface OpenSets extends AsyncDisposable {
  readonly sets: readonly NamedSet[]
}

type Found = Omit<NamedSet, 'name' | 'place'> & { readonly layer: string }

/** Layers that a pattern names: `*` stands for any characters but a slash. */
function chosenLayers(names: readonly string[], pattern: string | undefined, url: string): readonly string[] {
  if (pattern === undefined || pattern === 'all') return names
  const wanted = pattern.split(',').map(text => text.trim())
  const rules = wanted.map(text => {
    const fits = globMatcher(text, '/')
    return (name: string): boolean => name === text || fits(name)
  })
  const chosen = names.filter(name => rules.some(fits => fits(name)))
  const missing = wanted.find((_, i) => !names.some(name => rules[i]!(name)))
  if (missing !== undefined) {
    throw new LayermillError('LAYER_MISSING', `--layers: ${url} has no layer ${missing}; it has ${names.join(', ')}`)
  }
  return chosen
}

async function openRun(store: Store, layers: string | undefined): Promise<Found[]> {
  const record = await readRunRecord(store)
  const names = chosenLayers(record?.layers.map(({ name }) => name) ?? [], layers, store.url)
  const found: Found[] = []
  for (const name of names.length === 0 ? [undefined] : names) {
    const set = await openFeatureSet(store, name)
    found.push({ layer: set.place.layer, ...(await featureRows(set)) })
  }
  return found
}

/** Keys of rows as NumPy has them: texts of a fixed length (`<U12`, `|S12`) or whole numbers, which are written out. */
function decodeKeys(name: string, descr: string, bytes: Uint8Array, count: number): string[] {
  const length = Number(descr.slice(2))
  if (descr.charAt(1) === 'S') {
    return Array.from({ length: count }, (_, i) =>
      Buffer.from(bytes.subarray(i * length, (i + 1) * length))
        .toString('utf8')
        .replace(/\0+$/, ''),
    )
  }
  if (/[iu]/.test(descr.charAt(1))) return Array.from(decodeNumbers(name, descr, bytes), String)
  if (descr.charAt(1) !== 'U') {
    const kind = descr.includes('O') ? 'pickled Python objects, which are never unpickled' : `values of type ${descr}`
    throw new LayermillError('FEATURES_INVALID', `${name}: ${kind}, expected texts (an array of type U or S) or whole numbers`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const little = descr.charAt(0) !== '>'
  return Array.from({ length: count }, (_, i) => {
    let text = ''
    for (let at = 0; at < length; at++) {
      const code = view.getUint32((i * length + at) * 4, little)
      if (code !== 0) text += String.fromCodePoint(code)
    }
    return text
  })
}

async function openNpz(store: Store, name: string, file: string): Promise<Found[]> {
  const local = store.url.startsWith('s3:') ? fromBytes((await store.get(name)) ?? new Uint8Array(), file) : await openFile(file)
  const { arrays, close } = await openNpzArrays(local)
  try {
    const named = ['keys', 'key'].find(each => arrays.get(each)?.shape.length === 1)
    const column = named === undefined ? undefined : arrays.get(named)!
    const keys = column && decodeKeys(`${named} in ${file}`, column.descr, await column.bytes(), column.shape[0]!)
    const found: Found[] = []
    for (const [layer, array] of arrays) {
      if (array === column || array.shape.length === 0) continue
      if (/^[<>|=]?[US]/.test(array.descr)) continue
      if (keys !== undefined && array.shape[0] !== keys.length) {
        throw new LayermillError('FEATURES_INVALID', `${layer} in ${file}: ${array.shape[0]} rows, but ${keys.length} keys`)
      }
      found.push({ layer, keys, source: arrayRows(`${layer} in ${file}`, array, await array.bytes()) })
    }
    return found
  } finally {
    close()
    await local.close()
  }
}

async function openTable(store: Store, file: string): Promise<Found[]> {
  const { name } = splitFile(file)
  if (/\.npz$/i.test(name)) return openNpz(store, name, file)
  const ranges = await openRanges(store, name)
  if (/\.npy$/i.test(name)) return [{ layer: name.slice(0, -4), keys: undefined, source: await openNpyRows(ranges, file) }]
  const { sets, keys } = await openParquetRows(ranges, file)
  return sets.map(set => ({ layer: set.name, keys, source: set.rows }))
}

const isTable = (place: string): boolean => /\.(npy|npz|parquet)$/i.test(place)

/**
 * Names of sets: the layer where there is one argument, the argument's last part where it has one set, else both; all of it where these are
 * alike.
 */
function namesOf(found: readonly { readonly place: string; readonly sets: readonly Found[] }[]): string[] {
  const short = (place: string): string => basename(place.replace(/\/+$/, '')).replace(/\.(npy|npz|parquet)$/i, '')
  const choices = [
    found.flatMap(({ place, sets }) =>
      sets.map(({ layer }) => (found.length === 1 ? layer : sets.length === 1 ? short(place) : `${short(place)}/${layer}`)),
    ),
    found.flatMap(({ place, sets }) => sets.map(({ layer }) => (sets.length === 1 && isTable(place) ? place : `${place}:${layer}`))),
  ]
  const unique = choices.find(names => new Set(names).size === names.length)
  return unique ?? choices[1]!.map((name, i) => `${name}#${i + 1}`)
}

/**
 * Opens the feature sets that arguments name: runs (folders or URLs, each layer a set) and .npy, .npz and .parquet files.
 *
 * @param layers of runs: names with commas, `*` for any characters; default: all
 * @param written texts of the same places that name the sets, where they are others
 * @throws LayermillError `RUN_MISSING`, `LAYER_MISSING`, `NOT_RECORDED`, `FILE_MISSING`, `FEATURES_INVALID`
 */
export async function openSets(places: readonly string[], layers: string | undefined, written = places): Promise<OpenSets> {
  const stores: Store[] = []
  const close = async (): Promise<void> => {
    for (const store of stores) await store.close()
  }
  try {
    const found: { place: string; sets: Found[] }[] = []
    for (const [i, place] of places.entries()) {
      const absolute = absolutePlace(place, process.cwd())
      const store = openStore(isTable(place) ? splitFile(absolute).folder : absolute)
      stores.push(store)
      found.push({ place: written[i]!, sets: isTable(place) ? await openTable(store, absolute) : await openRun(store, layers) })
    }
    const names = namesOf(found)
    const sets = found.flatMap(({ place, sets: inside }) => inside.map(set => ({ ...set, place })))
    return {
      sets: sets.map((set, i) => ({ name: names[i]!, place: set.place, source: set.source, keys: set.keys })),
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await close()
    if (error instanceof LayermillError) throw error
    throw new LayermillError('FEATURES_INVALID', errorMessage(error), { cause: error })
  }
}
