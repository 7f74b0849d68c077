import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

/** A folder for the tests of one file, removed after them. To be called where the file's tests are declared. */
export function testFolder(name: string): () => Promise<string> {
  let folder: Promise<string> | undefined
  afterAll(async () => {
    if (folder !== undefined) await rm(await folder, { recursive: true, force: true })
  })
  return () => (folder ??= mkdtemp(join(tmpdir(), `layermill-${name}-`)))
}
