import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { errorMessage, LayermillError } from '@layermill/core'
import {
  type FilePreparation,
  getNetwork,
  libraryOf,
  networkIds,
  preparationFromFile,
  type PreparationLibrary,
  preparationNames,
} from '@layermill/models'

const mostBytes = 4 * 1024 * 1024

/** Wishes beside a file. */
interface Asked {
  /** timm's larger size for tests, where a file has one. */
  readonly testSize?: boolean
  /** transformers' torchvision variant. */
  readonly tensors?: boolean
}

type Json = Readonly<Record<string, unknown>>

/** Files of a folder that say how pictures are prepared, the first that does decides. */
const names = ['model.json', 'processor_config.json', 'preprocessor_config.json', 'config.json'] as const

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The library that a file of this name is of, whatever its fields. */
const libraries: Readonly<Record<string, PreparationLibrary>> = {
  'model.json': 'layermill',
  'processor_config.json': 'transformers',
  'preprocessor_config.json': 'transformers',
}

async function readJson(path: string): Promise<unknown> {
  const invalid = (what: string, cause?: unknown): LayermillError => new LayermillError('PREPARATION_INVALID', `${path} ${what}`, { cause })
  let text = ''
  try {
    if ((await stat(path)).size > mostBytes) throw invalid('is too large to say how pictures are prepared')
    text = (await readFile(path, 'utf8')).replace(/^\uFEFF/, '')
  } catch (cause) {
    if (cause instanceof LayermillError) throw cause
    throw invalid(`cannot be read (${errorMessage(cause)})`, cause)
  }
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw invalid('is not JSON', cause)
  }
}

const isFile = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined))?.isFile() === true

/** `model_type` of the `config.json` in a folder. */
async function modelType(folder: string): Promise<string | undefined> {
  const path = join(folder, 'config.json')
  const value = (await isFile(path)) ? await readJson(path).catch(() => undefined) : undefined
  return isObject(value) && typeof value['model_type'] === 'string' ? value['model_type'] : undefined
}

/** Whether a file of one of the names says how pictures are prepared: other files of these names say other things. */
function isPreparation(name: (typeof names)[number], value: unknown): boolean {
  if (!isObject(value)) return false
  if (name === 'processor_config.json') return isObject(value['image_processor'])
  const library = libraryOf(value)
  return name === 'preprocessor_config.json' || library === (name === 'model.json' ? 'layermill' : 'timm')
}

/**
 * How pictures are prepared by what a model's folder says: our `model.json`, transformers' `processor_config.json` or
 * `preprocessor_config.json`, timm's `config.json`. Undefined where none of them is there.
 * @throws LayermillError `PREPARATION_INVALID` naming the file and the field
 */
export async function folderPreparation(
  folder: string,
  { testSize, tensors, among = names }: Asked & { readonly among?: readonly (typeof names)[number][] } = {},
): Promise<(FilePreparation & { readonly file: (typeof names)[number] }) | undefined> {
  for (const file of among) {
    const where = join(folder, file)
    const value = (await isFile(where)) ? await readJson(where) : undefined
    if (!isPreparation(file, value)) continue
    return {
      ...preparationFromFile(value, { where, testSize, tensors, library: libraries[file], modelType: await modelType(folder) }),
      file,
    }
  }
  return undefined
}

/** Behind a path, what is asked for beside it. */
const suffixes: Readonly<Record<string, Asked>> = { '#test': { testSize: true }, '#torchvision': { tensors: true } }

/** Path and suffix of a place. */
function splitPlace(place: string): { readonly path: string; readonly asked: Asked } {
  const suffix = Object.keys(suffixes).find(text => place.endsWith(text)) ?? ''
  return { path: place.slice(0, place.length - suffix.length), asked: suffixes[suffix] ?? {} }
}

const preparationNamesOfAll = (): Set<string> => new Set(networkIds.flatMap(id => preparationNames(getNetwork(id).architecture)))

/**
 * Whether `--prepare` names a file or folder, not a preparation. A folder that has such a file needs no `./` before it, unless it is named
 * as a preparation is.
 */
export function isPreparationPlace(text: string): boolean {
  if (/^(timm|torchvision):/.test(text)) return false
  const { path } = splitPlace(text)
  if (/[/\\]|\.json$/.test(path)) return true
  return path !== '' && !preparationNamesOfAll().has(path) && names.some(name => existsSync(join(path, name)))
}

/**
 * Reads the file or folder that `--prepare` names; `#test` behind it takes timm's size for tests, `#torchvision` what transformers'
 * torchvision variant makes of pictures.
 * @throws LayermillError `PREPARATION_INVALID` naming the file and the field
 */
export async function readPreparation(place: string): Promise<FilePreparation> {
  const { path, asked } = splitPlace(place)
  if ((await stat(path).catch(() => undefined))?.isDirectory() === true) {
    const found = await folderPreparation(path, asked)
    if (found !== undefined) {
      const { file: _file, ...preparation } = found
      return preparation
    }
    throw new LayermillError('PREPARATION_INVALID', `${path} does not say how pictures are prepared`, {
      hint: `expected one of ${names.join(', ')} in it`,
    })
  }
  const library = Object.hasOwn(libraries, basename(path)) ? libraries[basename(path)] : undefined
  return preparationFromFile(await readJson(path), { where: path, ...asked, library, modelType: await modelType(dirname(path)) })
}
