import { readFile, stat } from 'node:fs/promises'
import { errorCode, LayermillError } from '@layermill/core'
import { classNamesFrom } from '@layermill/weights'

const mostBytes = 32 * 1024 * 1024

/**
 * Names of classes from a file: one a line, in the order of the scores, or JSON: a list, `{"0": "cat"}` (id2label) or `{"cat": 0}`.
 * @throws LayermillError `SPEC_INVALID` naming the file
 */
export async function readLabels(path: string): Promise<string[]> {
  const invalid = (what: string): LayermillError =>
    new LayermillError('SPEC_INVALID', `labels: ${path} ${what}`, {
      hint: 'expected one name a line, in the order of the scores, or JSON: ["cat", "dog"], {"0": "cat", "1": "dog"} or {"cat": 0, "dog": 1}',
    })
  let text = ''
  try {
    if ((await stat(path)).size > mostBytes) throw invalid('is too large for a list of names')
    text = (await readFile(path, 'utf8')).replace(/^\uFEFF/, '')
  } catch (cause) {
    if (cause instanceof LayermillError) throw cause
    throw invalid(`cannot be read (${errorCode(cause)})`)
  }
  if (!/^\s*[[{]/.test(text)) {
    const lines = text.split(/\r?\n/)
    const names = lines.at(-1) === '' ? lines.slice(0, -1) : lines
    if (names.length === 0 || names.some(name => name.trim() === '')) throw invalid('has a line without a name')
    return names
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw invalid('is not JSON, though it begins so')
  }
  const names = classNamesFrom(value)
  if (names === undefined) throw invalid('holds no list of names, or its numbers have gaps')
  return names
}
