import { createReadStream } from 'node:fs'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { LayermillError, withLock } from '@layermill/core'
import type { Store } from '@layermill/storage'
import type { OnnxModel } from '@layermill/onnx'
import { fetchObject } from '../fetch-object.js'
import { besideFiles, readBeside } from './files.js'

const listFile = 'files.json'
const graphFile = 'model.onnx'

const keyOf = (sha256: string, name: string): string => `weights/${sha256}/${name}`

/** Puts a graph, its weights and what lies beside it into the fleet's store under its hash; the list comes last, so it is there whole. */
export async function publishGraph(store: Store, model: OnnxModel, sha256: string): Promise<void> {
  if ((await store.stat(keyOf(sha256, listFile))) !== undefined) return
  const names: string[] = []
  for (const [location, path] of model.files) {
    const name = location === '' ? graphFile : location
    await store.putStream(keyOf(sha256, name), createReadStream(path, { highWaterMark: 1 << 20 }))
    names.push(name)
  }
  for (const name of besideFiles) {
    const text = await readBeside(model.path, name)
    if (text === undefined || names.includes(name)) continue
    await store.put(keyOf(sha256, name), text)
    names.push(name)
  }
  await store.put(keyOf(sha256, listFile), JSON.stringify(names))
}

function namesOf(text: string, url: string): string[] {
  const names: unknown = JSON.parse(text)
  const fits = (name: unknown): name is string => typeof name === 'string' && !isAbsolute(name) && !name.split(/[\\/]/).includes('..')
  if (Array.isArray(names) && names.includes(graphFile) && names.every(fits)) return names
  throw new LayermillError('WEIGHTS_HASH', `${url} holds no list of a graph's files`, {
    hint: 'delete the object: it is written again when the next run starts',
  })
}

async function fetchNamed(store: Store, key: string, path: string): Promise<void> {
  const entry = await store.stat(key)
  if (entry === undefined) throw new LayermillError('WEIGHTS_NOT_FOUND', `${store.url}/${key} is gone`)
  if (await fetchObject(store, key, path, entry.bytes)) return
  throw new LayermillError('WEIGHTS_NOT_FOUND', `${store.url}/${key} went away while it was read`)
}

/** The path on this machine of the graph with this hash, fetched once; undefined where the fleet's store has none. */
export async function obtainGraph(store: Store, folder: string, sha256: string): Promise<string | undefined> {
  const target = join(folder, 'graphs', sha256)
  const done = join(target, `.${listFile}`)
  const isThere = async (): Promise<boolean> => (await stat(done).catch(() => undefined)) !== undefined
  if (await isThere()) return join(target, graphFile)
  const list = await store.get(keyOf(sha256, listFile))
  if (list === undefined) return undefined
  const names = namesOf(Buffer.from(list).toString(), `${store.url}/${keyOf(sha256, listFile)}`)
  await mkdir(target, { recursive: true })
  await withLock(join(target, '.lock'), {}, async () => {
    if (await isThere()) return
    for (const name of names) await fetchNamed(store, keyOf(sha256, name), join(target, name))
    await writeFile(done, '')
  })
  return join(target, graphFile)
}
