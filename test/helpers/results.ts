import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { parquetReadObjects } from 'hyparquet'
import { load } from 'npyjs'

/** One row of `index/`. */
export interface IndexEntry {
  readonly key: string
  readonly part: number
  readonly row: number
  readonly width: number
  readonly height: number
  readonly label: string | null
  readonly sha256: string
}

export interface ErrorEntry {
  readonly key: string
  readonly code: string
  readonly reason: string
}

export interface Commit {
  readonly part: number
  readonly images: number
  readonly failed: number
  readonly files: readonly { readonly path: string; readonly bytes: number; readonly sha256: string }[]
  readonly worker?: string
}

export interface RunFile {
  readonly [field: string]: unknown
  readonly state: string
  readonly counts: { readonly images: number; readonly done: number; readonly failed: number; readonly parts: number }
  readonly error?: { readonly code: string; readonly message: string }
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const parseJson = (text: string): unknown => JSON.parse(text)

export async function readRun(out: string): Promise<RunFile> {
  return parseJson(await readFile(join(out, 'run.json'), 'utf8')) as RunFile
}

/** Every file below a folder, relative, in order; none where there is no folder. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort()
}

export interface FileVersion {
  readonly sha256: string
  readonly modified: bigint
}

/** Every file of a run but run.json, with its content's hash and when it was written. */
export async function fileVersions(out: string): Promise<Map<string, FileVersion>> {
  const versions = new Map<string, FileVersion>()
  for (const path of await filesBelow(out)) {
    if (path === 'run.json') continue
    const { mtimeNs } = await stat(join(out, path), { bigint: true })
    versions.set(path, { sha256: sha256(await readFile(join(out, path))), modified: mtimeNs })
  }
  return versions
}

/** The contents alone, for comparing two runs; of commit records all but which worker computed the part. */
export async function fileHashes(out: string): Promise<Record<string, string>> {
  const versions = await fileVersions(out)
  const hashes: Record<string, string> = {}
  for (const [path, version] of versions) {
    if (!path.startsWith('commits/')) hashes[path] = version.sha256
    else {
      const { worker: _worker, ...record } = parseJson(await readFile(join(out, path), 'utf8')) as Commit
      hashes[path] = sha256(Buffer.from(JSON.stringify(record)))
    }
  }
  return hashes
}

export async function readCommits(out: string): Promise<Commit[]> {
  const names = (await filesBelow(join(out, 'commits'))).filter(name => name.endsWith('.json'))
  return Promise.all(names.map(async name => parseJson(await readFile(join(out, 'commits', name), 'utf8')) as Commit))
}

/** Faults of the files that the commit records name: none in a sound run. */
export async function commitFaults(out: string): Promise<string[]> {
  const faults: string[] = []
  for (const { part, files } of await readCommits(out)) {
    for (const { path, bytes, sha256: expected } of files) {
      const content = await readFile(join(out, path)).catch(() => undefined)
      if (content === undefined) faults.push(`part ${part}: ${path} is missing`)
      else if (content.byteLength !== bytes || sha256(content) !== expected) faults.push(`part ${part}: ${path} is another file`)
    }
  }
  return faults
}

const partFile = (part: number, extension: string): string => `part-${String(part).padStart(5, '0')}.${extension}`

/** The index of all committed parts, in the order of the parts, read by an independent reader. */
export async function readIndex(out: string): Promise<IndexEntry[]> {
  const rows: IndexEntry[] = []
  for (const { part } of await readCommits(out)) {
    const bytes = await readFile(join(out, 'index', partFile(part, 'parquet')))
    rows.push(...((await parquetReadObjects({ file: Uint8Array.from(bytes).buffer })) as unknown as IndexEntry[]))
  }
  return rows
}

/** The failed images of all committed parts. */
export async function readErrors(out: string): Promise<ErrorEntry[]> {
  const rows: ErrorEntry[] = []
  for (const { part, failed } of await readCommits(out)) {
    const text = await readFile(join(out, 'errors', partFile(part, 'jsonl')), 'utf8').catch(() => '')
    const lines = text.split('\n').filter(line => line !== '')
    if (lines.length !== failed) throw new Error(`part ${part}: ${lines.length} errors, its record says ${failed}`)
    rows.push(...lines.map(line => parseJson(line) as ErrorEntry))
  }
  return rows
}

/** Each image's values of one layer, from .npy files, read by an independent reader and put to their keys by the index. */
export async function readNpy(out: string, layer: string): Promise<Map<string, number[]>> {
  const index = await readIndex(out)
  const values = new Map<string, number[]>()
  for (const { part } of await readCommits(out)) {
    const bytes = await readFile(join(out, 'features', layer.replaceAll('/', '.'), partFile(part, 'npy')))
    const array = await load(Uint8Array.from(bytes).buffer)
    const [rows = 0, ...shape] = array.shape
    const size = shape.reduce((product, length) => product * length, 1)
    const entries = index.filter(entry => entry.part === part)
    if (entries.length !== rows) throw new Error(`part ${part}: ${rows} rows of ${layer}, ${entries.length} in the index`)
    const data = Array.from(array.data as Float32Array, Number)
    for (const { key, row } of entries) values.set(key, data.slice(row * size, (row + 1) * size))
  }
  return values
}
