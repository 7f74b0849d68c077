import { open } from 'node:fs/promises'
import { checkSpecText, errorMessage, LayermillError, mostSpecBytes, tooLong } from '@layermill/core'
import { parseSpec, type RunKind, type RunSpec } from '@layermill/contracts'
import type { z } from 'zod'
import { flagName, notFlags, specShapes } from './command/spec-flags.js'

/** Option that commander derives from `--no-sign-request`: it takes the flag as the negation of an option that does not exist. */
const signRequest = 'signRequest'

/** A flag's text as the field takes it: as it is where the field reads text, else as a number. */
function fieldValue(schema: z.ZodType, value: unknown): unknown {
  if (typeof value !== 'string' || schema.safeParse(value).success) return value
  if (/^-?\d+(\.\d+)?(e-?\d+)?$/i.test(value)) return Number(value)
  const list = value.split(',').map(item => item.trim())
  return schema.safeParse(list).success ? list : value
}

/** A spec's file, which is not read where it is longer than a spec can be. */
async function readSpecText(file: string): Promise<string> {
  await using handle = await open(file)
  const { size } = await handle.stat()
  if (size > mostSpecBytes) throw tooLong(`--file ${file}`, size)
  return await handle.readFile('utf8')
}

/** The fields of a YAML or JSON file. @throws LayermillError `SPEC_INVALID` */
export async function readSpecFile(file: string): Promise<Record<string, unknown>> {
  let text = ''
  let value: unknown
  try {
    const { parse } = await import('yaml')
    text = await readSpecText(file)
    checkSpecText(text, `--file ${file}`)
    value = parse(text, { logLevel: 'error' })
  } catch (cause) {
    if (cause instanceof LayermillError) throw cause
    const hint = /(^|[\s{,])\*\s*:/m.test(text) ? 'in YAML * stands in quotes, as in "*": 0' : undefined
    throw new LayermillError('SPEC_INVALID', `--file ${file}: ${errorMessage(cause).trim()}`, { cause, hint })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  throw new LayermillError('SPEC_INVALID', `--file ${file}: expected fields with values, as 'model: resnet50'`)
}

/**
 * The spec that flags (and the file named by `-f`) describe, checked, with defaults.
 * @throws LayermillError `SPEC_INVALID` naming the field, what was given and what was expected.
 */
export async function specFromFlags(kind: RunKind, source: string | undefined, options: Record<string, unknown>): Promise<RunSpec> {
  const fromFile = typeof options['file'] === 'string' ? await readSpecFile(options['file']) : {}
  const spec: Record<string, unknown> = { ...fromFile, kind }
  if (source !== undefined) spec['source'] = source
  if (options[signRequest] === false) spec['noSignRequest'] = true
  // The storage library is loaded by runs only, not by every command.
  const { accessOfEnvironment } = await import('@layermill/storage')
  for (const [field, value] of Object.entries(accessOfEnvironment())) spec[field] ??= value
  for (const [field, schema] of Object.entries(specShapes[kind])) {
    if (!notFlags.has(field) && options[field] !== undefined)
      spec[field] = field === 'labels' ? options[field] : fieldValue(schema, options[field])
  }
  if (kind === 'predict' && typeof spec['labels'] === 'string')
    spec['labels'] = await (await import('./labels-file.js')).readLabels(spec['labels'])
  if (typeof spec['prepare'] === 'string' && /[/\\.#]/.test(spec['prepare'])) {
    const { isPreparationPlace, readPreparation } = await import('@layermill/weights')
    if (isPreparationPlace(spec['prepare'])) spec['prepare'] = await readPreparation(spec['prepare'])
  }
  try {
    return parseSpec(spec)
  } catch (error) {
    throw withFlagNames(error, kind, fromFile)
  }
}

/** An error whose lines begin with flags as they are typed; fields of a file keep their names. */
function withFlagNames(error: unknown, kind: RunKind, fromFile: Readonly<Record<string, unknown>>): unknown {
  if (!(error instanceof LayermillError) || error.code !== 'SPEC_INVALID') return error
  const isFlag = (field: string): boolean => field in specShapes[kind] && !notFlags.has(field) && !(field in fromFile)
  const message = error.message.replaceAll(/^\w+(?=[:.[])/gm, field => (isFlag(field) ? flagName(field) : field))
  return new LayermillError(error.code, message, { cause: error, hint: error.hint })
}
