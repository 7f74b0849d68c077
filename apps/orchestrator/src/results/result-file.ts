import { basename } from 'node:path'
import { LayermillError } from '@layermill/core'
import { openStore } from '@layermill/storage'
import { refuseForeignFile } from '../run/foreign-files.js'

/** Formats of a file of results, by its name. */
export type ResultFormat = 'csv' | 'jsonl'

/** The format that a file's name asks for. @throws LayermillError `SPEC_INVALID` for another than `.csv` and `.jsonl` */
export function resultFormat(out: string): ResultFormat {
  const [, extension] = /\.(csv|jsonl)$/i.exec(out) ?? []
  if (extension === undefined) throw new LayermillError('SPEC_INVALID', `--out: got ${JSON.stringify(out)}, expected a .csv or .jsonl file`)
  return extension.toLowerCase() === 'csv' ? 'csv' : 'jsonl'
}

/** A file's store and its key there: an absolute path, or a URL such as `s3://bucket/folder/file`. */
export function splitFile(file: string): { folder: string; name: string } {
  const name = basename(file)
  return { folder: file.slice(0, -name.length), name }
}

/**
 * Writes a file of results, whole or not at all.
 *
 * @param out an absolute path, or a URL
 * @throws LayermillError `RUN_CONFLICT` where it would replace a file of a run or model; as the store does
 */
export async function writeResultFile(out: string, content: string | Uint8Array): Promise<void> {
  await refuseForeignFile(out, async url => openStore(url))
  const { folder, name } = splitFile(out)
  await using store = openStore(folder)
  await store.put(name, content)
}
