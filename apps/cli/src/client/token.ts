import { readFile } from 'node:fs/promises'
import { errorCode, LayermillError } from '@layermill/core'

/**
 * The token of a server: from `--token-file`, else from `LAYERMILL_TOKEN`. Never a flag's value: command lines are seen by everybody on
 * the machine.
 * @throws LayermillError `TOKENS_UNREADABLE`.
 */
export async function readToken(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return process.env['LAYERMILL_TOKEN']?.trim() || undefined
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    throw new LayermillError('TOKENS_UNREADABLE', `--token-file ${file} cannot be read: ${errorCode(cause)}`, { cause })
  }
}
