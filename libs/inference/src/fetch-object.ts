import { mkdir, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Store } from '@layermill/storage'

/** Bytes that are asked for at once, which are in memory until they are written. */
const pieceBytes = 64 * 1024 * 1024

async function copyPieces(store: Store, key: string, path: string, bytes: number): Promise<boolean> {
  await using file = await open(path, 'w')
  for (let start = 0; start < bytes; start += pieceBytes) {
    const part = await store.getRange(key, start, Math.min(start + pieceBytes, bytes))
    if (part === undefined) return false
    await file.writeFile(part)
  }
  return true
}

/** Copies an object of `bytes` bytes to a file, which is there once it is complete. False where the object is gone. */
export async function fetchObject(store: Store, key: string, path: string, bytes: number): Promise<boolean> {
  await mkdir(dirname(path), { recursive: true })
  const draft = `${path}.part`
  if (!(await copyPieces(store, key, draft, bytes))) return false
  await rename(draft, path)
  return true
}
