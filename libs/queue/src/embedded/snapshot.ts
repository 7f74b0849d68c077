import { existsSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { layermillHome, writeAll, writeAtomically } from '@layermill/core'

/** Raise when the way a snapshot is made changes. */
const recipe = 1

function packageVersion(name: string): string {
  // Not every package exports its package.json; its main file's folder leads to it.
  let folder = dirname(createRequire(import.meta.url).resolve(name))
  for (;;) {
    const file = join(folder, 'package.json')
    const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
    const version = text.includes(`"name": "${name}"`) ? /"version":\s*"([^"]+)"/.exec(text)?.[1] : undefined
    if (version !== undefined) return version
    if (dirname(folder) === folder) return 'unknown'
    folder = dirname(folder)
  }
}

const fileName = (): string => `bullmq-${packageVersion('bullmq')}-pglite-${packageVersion('@electric-sql/pglite')}-${recipe}.tar`

/** Path of the build's snapshot: beside this module, in `dist`. */
export function packagedSnapshotPath(): string {
  return fileURLToPath(new URL(`../../dist/embedded/${fileName()}`, import.meta.url))
}

/** Path of the snapshot when the build made none: in `$LAYERMILL_HOME`, default `~/.cache/layermill`. */
export function cachedSnapshotPath(): string {
  return join(layermillHome(), 'embedded', fileName())
}

/** Whole or not at all: a reader never sees half a snapshot. */
const writeWhole = (path: string, bytes: Uint8Array): Promise<void> => writeAtomically(path, handle => writeAll(handle, bytes))

/** The migrated database as a tar file: the build's, else the cache's, else made now (seconds of CPU) and cached where that is allowed. */
export async function loadSnapshot(make: () => Promise<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const found = [packagedSnapshotPath(), cachedSnapshotPath()].find(path => existsSync(path))
  if (found !== undefined) return new Uint8Array(await readFile(found))
  const bytes = new Uint8Array(await make())
  // A read-only or full home only means that the next start makes it again.
  await writeWhole(cachedSnapshotPath(), bytes).catch(() => undefined)
  return bytes
}

/** For the build: makes the packaged snapshot where it is not there yet. Returns its path. */
export async function packageSnapshot(make: () => Promise<Uint8Array>): Promise<string> {
  const path = packagedSnapshotPath()
  if (!existsSync(path)) await writeWhole(path, await make())
  return path
}
