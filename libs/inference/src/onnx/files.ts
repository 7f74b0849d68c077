import { createHash } from 'node:crypto'
import { mkdir, readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LayermillError, layermillHome, schemeOf, withLock } from '@layermill/core'
import { openStore } from '@layermill/storage'
import { fetchToFile, type LoadOptions } from '@layermill/weights'
import { fetchObject } from '../fetch-object.js'

/** Places of the graph in a folder of a model, first to last. */
const graphs = ['model.onnx', 'onnx/model.onnx']
/** Files beside a graph that say how images are prepared and what classes are called. */
export const besideFiles = [
  'preprocessor_config.json',
  'processor_config.json',
  'config.json',
  'labels.txt',
  'labels.json',
  'classes.txt',
] as const

/** Bytes of the largest description that is read. */
const mostDescription = 32 * 1024 * 1024

const isFile = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined))?.isFile() === true

/** Whether a model is named by a file's name: `vit.onnx`, `https://host/vit.onnx?download=true`. */
export const namesOnnxFile = (model: string): boolean =>
  /\.onnx$/i.test(schemeOf(model)?.startsWith('http') === true ? new URL(model).pathname : model)

/** The graph in a folder on this machine; undefined where there is none. */
export async function graphInFolder(folder: string): Promise<string | undefined> {
  for (const name of graphs) if (await isFile(join(folder, name))) return join(folder, name)
  return undefined
}

/** Fetches what lies beside a graph in a bucket, the graph and its external data included, unless it is kept here. */
async function fetchStored(url: string, graph: string | undefined): Promise<string> {
  await using store = openStore(url)
  const entries: { key: string; bytes: number; etag: string }[] = []
  for await (const entry of store.list('')) {
    entries.push(entry)
    if (entries.length > 10_000)
      throw new LayermillError('MODEL_UNKNOWN', `${url} holds more than 10000 objects; expected the folder of one model`)
  }
  const found = [graph, ...graphs].find(name => name !== undefined && entries.some(({ key }) => key === name))
  if (found === undefined || (graph !== undefined && found !== graph))
    throw new LayermillError('MODEL_UNKNOWN', `there is no ${graph ?? graphs.join(' or ')} at ${url}`)
  const folder = dirname(found)
  // A graph by its own name may lie among others: of these, their data and descriptions, what is beside it is fetched when it is small or
  // named like it.
  const wanted = entries.filter(({ key }) => {
    if (key === found) return true
    if (/\.onnx$/i.test(key) || /\.(safetensors|bin|h5|msgpack|pt|pth|ot)$/i.test(key)) return false
    return dirname(key) === folder || besideFiles.some(name => key === name)
  })
  const version = createHash('sha256')
    .update(JSON.stringify([url, wanted.map(({ key, etag }) => [key, etag])]))
    .digest('hex')
    .slice(0, 16)
  const target = join(layermillHome(), 'onnx', version)
  await mkdir(target, { recursive: true })
  await withLock(join(target, '.lock'), {}, async () => {
    for (const { key, bytes } of wanted) {
      if ((await isFile(join(target, key))) || (await fetchObject(store, key, join(target, key), bytes))) continue
      throw new LayermillError('WEIGHTS_NOT_FOUND', `${store.url}/${key} went away while it was read`)
    }
  })
  return join(target, found)
}

/**
 * The path on this machine of the ONNX file that a model names: a file, a folder with one, or a URL whose file is fetched once.
 * Undefined where a folder holds none.
 * @throws LayermillError `WEIGHTS_NOT_FOUND`, `WEIGHTS_UNAVAILABLE`, `MODEL_UNKNOWN`, `ADDRESS_REFUSED`, and as the store does
 */
export async function findOnnxFile(model: string, options: LoadOptions = {}): Promise<string | undefined> {
  const scheme = schemeOf(model)
  if (scheme === undefined || scheme === 'file') {
    const path = scheme === 'file' ? fileURLToPath(model) : model
    return namesOnnxFile(path) ? path : graphInFolder(path)
  }
  if (scheme === 'http' || scheme === 'https') return namesOnnxFile(model) ? fetchToFile(model, options) : undefined
  if (!namesOnnxFile(model)) {
    await using store = openStore(model)
    const there = await Promise.all(graphs.map(name => store.stat(name)))
    return there.every(entry => entry === undefined) ? undefined : await fetchStored(model, undefined)
  }
  const key = basename(model)
  return fetchStored(model.slice(0, -key.length), key)
}

/** The folders of a graph that say what it is: its own, and the one above `onnx/`. */
export function foldersOf(graph: string): string[] {
  const folder = dirname(graph)
  return basename(folder) === 'onnx' ? [folder, dirname(folder)] : [folder]
}

/** A JSON or text file beside a graph; undefined where there is none. */
export async function readBeside(graph: string, name: string): Promise<string | undefined> {
  for (const place of foldersOf(graph)) {
    const path = join(place, name)
    const size = (await stat(path).catch(() => undefined))?.size
    if (size !== undefined && size <= mostDescription) return readFile(path, 'utf8')
  }
  return undefined
}

/** The value that JSON stands for; undefined for a text that is none. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
