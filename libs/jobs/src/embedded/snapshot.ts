import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

/** Raise when the way a snapshot is made changes. */
const recipe = 1

function packageVersion(name: string): string {
  // Not every package exports its package.json; its main file's folder leads to it.
  let folder = dirname(createRequire(import.meta.url).resolve(name))
  while (!existsSync(join(folder, 'package.json')) || !readFileSync(join(folder, 'package.json'), 'utf8').includes(`"name": "${name}"`)) {
    const parent = dirname(folder)
    if (parent === folder) return 'unknown'
    folder = parent
  }
  const match = /"version":\s*"([^"]+)"/.exec(readFileSync(join(folder, 'package.json'), 'utf8'))
  return match?.[1] ?? 'unknown'
}

/** Where the snapshot of this version is kept: in `$LAYERMILL_HOME`, default `~/.cache/layermill`. */
export function snapshotPath(): string {
  const home = process.env['LAYERMILL_HOME'] ?? join(homedir(), '.cache', 'layermill')
  return join(home, 'embedded', `bullmq-${packageVersion('bullmq')}-pglite-${packageVersion('@electric-sql/pglite')}-${recipe}.tar`)
}

/**
 * Makes the embedded queue's snapshot where it is not there yet and returns its path. Making takes seconds of CPU once per version;
 * build and image scripts may call this so that no user waits. Two processes at once both make it; one file stays.
 */
export async function ensureSnapshot(make: () => Promise<Uint8Array>): Promise<string> {
  const path = snapshotPath()
  if (existsSync(path)) return path
  await mkdir(dirname(path), { recursive: true })
  const temporary = `${path}.${randomUUID()}`
  try {
    await writeFile(temporary, await make())
    await rename(temporary, path)
  } finally {
    await rm(temporary, { force: true })
  }
  return path
}
