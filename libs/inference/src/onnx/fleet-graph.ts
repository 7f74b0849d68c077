import { createReadStream } from 'node:fs'
import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { LayermillError, withLock, writeAtomically } from '@layermill/core'
import type { Store } from '@layermill/storage'
import type { OnnxModel } from '@layermill/onnx'
import { fetchObject } from '../fetch-object.js'
import { besideFiles, jsonOf, readBeside } from './files.js'

const listFile = 'files.json'
const graphFile = 'model.onnx'
/** Texts beside the graph by their names. They may change while the graph, and so its hash, stays. */
const besideFile = 'beside.json'

const keyOf = (sha256: string, name: string): string => `weights/${sha256}/${name}`

/**
 * Puts a graph and its weights into the fleet's store under their hash, once; the list comes last, so it is there whole. What lies beside
 * the graph is put there as it is now.
 */
export async function publishGraph(store: Store, model: OnnxModel, sha256: string): Promise<void> {
  await publishBeside(store, model, sha256)
  if ((await store.stat(keyOf(sha256, listFile))) !== undefined) return
  const names: string[] = []
  for (const [location, path] of model.files) {
    const name = location === '' ? graphFile : location
    await store.putStream(keyOf(sha256, name), createReadStream(path, { highWaterMark: 1 << 20 }))
    names.push(name)
  }
  await store.put(keyOf(sha256, listFile), JSON.stringify(names))
}

async function publishBeside(store: Store, model: OnnxModel, sha256: string): Promise<void> {
  const texts: Record<string, string> = {}
  for (const name of besideFiles) {
    const text = await readBeside(model.path, name)
    if (text !== undefined && !model.files.has(name)) texts[name] = text
  }
  const text = JSON.stringify(texts)
  const known = await store.get(keyOf(sha256, besideFile))
  if (known === undefined || Buffer.from(known).toString() !== text) await store.put(keyOf(sha256, besideFile), text)
}

function unreadable(url: string, what: string): LayermillError {
  return new LayermillError('WEIGHTS_HASH', `${url} holds no ${what}`, {
    hint: 'delete the object: it is written again when the next run starts',
  })
}

function namesOf(text: string, url: string): string[] {
  const names = jsonOf(text)
  const fits = (name: unknown): name is string => typeof name === 'string' && !isAbsolute(name) && !name.split(/[\\/]/).includes('..')
  if (Array.isArray(names) && names.includes(graphFile) && names.every(fits)) return names
  throw unreadable(url, "list of a graph's files")
}

async function fetchNamed(store: Store, key: string, path: string): Promise<void> {
  const entry = await store.stat(key)
  if (entry === undefined) throw new LayermillError('WEIGHTS_NOT_FOUND', `${store.url}/${key} is gone`)
  if (await fetchObject(store, key, path, entry.bytes)) return
  throw new LayermillError('WEIGHTS_NOT_FOUND', `${store.url}/${key} went away while it was read`)
}

/** Makes the texts beside a fetched graph those of the store. Where the store has none they are, as earlier versions had them, in the
 * list of the graph's own files. */
async function fetchBeside(store: Store, target: string, sha256: string, own: readonly string[]): Promise<void> {
  const key = keyOf(sha256, besideFile)
  const bytes = await store.get(key)
  if (bytes === undefined) return
  const texts = jsonOf(Buffer.from(bytes).toString())
  if (typeof texts !== 'object' || texts === null) throw unreadable(`${store.url}/${key}`, 'texts beside a graph')
  for (const name of besideFiles) {
    const text = (texts as Readonly<Record<string, unknown>>)[name]
    const path = join(target, name)
    if (typeof text === 'string') await writeAtomically(path, handle => handle.writeFile(text))
    else if (!own.includes(name)) await rm(path, { force: true })
  }
}

/**
 * The path on this machine of the graph with this hash, fetched once, with what lies beside it as it is in the store now; undefined where
 * the fleet's store has none.
 * @throws LayermillError `WEIGHTS_HASH`, `WEIGHTS_NOT_FOUND`, and what the store throws
 */
export async function obtainGraph(store: Store, folder: string, sha256: string): Promise<string | undefined> {
  const list = await store.get(keyOf(sha256, listFile))
  if (list === undefined) return undefined
  const names = namesOf(Buffer.from(list).toString(), `${store.url}/${keyOf(sha256, listFile)}`)
  const target = join(folder, 'graphs', sha256)
  const done = join(target, `.${listFile}`)
  await mkdir(target, { recursive: true })
  await withLock(join(target, '.lock'), {}, async () => {
    const isThere = (await stat(done).catch(() => undefined)) !== undefined
    if (!isThere) for (const name of names) await fetchNamed(store, keyOf(sha256, name), join(target, name))
    await fetchBeside(store, target, sha256, names)
    await writeFile(done, '')
  })
  return join(target, graphFile)
}
