import { createHash, randomBytes } from 'node:crypto'
import { appendFile, readFile } from 'node:fs/promises'
import { formatZodError, Scope } from '@layermill/contracts'
import { errorCode, LayermillError, writeAtomically } from '@layermill/core'
import { z } from 'zod'

/** One line of a token file. The token itself is nowhere: its 256 random bits need no slow hash. */
export const TokenRecord = z.strictObject({
  name: z.string().regex(/^[\w.@-]{1,64}$/, 'letters, digits and _ . @ -, at most 64'),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'the SHA-256 of the token as 64 lower-case hexadecimal digits'),
  scopes: z.array(Scope).min(1, 'at least one scope'),
  created: z.iso.datetime().optional(),
  /** The token is refused from then on. */
  expires: z.iso.datetime().optional(),
})
export type TokenRecord = z.output<typeof TokenRecord>

export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token, 'utf8').digest()
}

function parseLine(line: string, where: string): TokenRecord {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw new LayermillError('TOKENS_INVALID', `${where} is not JSON`)
  }
  const result = TokenRecord.safeParse(value)
  if (result.success) return result.data
  throw new LayermillError('TOKENS_INVALID', `${where}: ${formatZodError(result.error, value).message}`)
}

/**
 * Reads a token file: one JSON object a line; empty lines and lines that start with `#` are passed over.
 * @throws LayermillError `TOKENS_INVALID` naming the line.
 */
export function parseTokens(text: string, where: string): TokenRecord[] {
  const records = text.split('\n').flatMap((line, i) => {
    const content = line.trim()
    return content === '' || content.startsWith('#') ? [] : [parseLine(content, `${where}:${i + 1}`)]
  })
  const seen = new Set<string>()
  for (const { name } of records) {
    if (seen.has(name)) throw new LayermillError('TOKENS_INVALID', `${where}: two tokens are named ${name}`)
    seen.add(name)
  }
  return records
}

/** @throws LayermillError `TOKENS_UNREADABLE` or `TOKENS_INVALID`. */
export async function readTokens(file: string): Promise<TokenRecord[]> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new LayermillError('TOKENS_UNREADABLE', `The token file ${file} cannot be read: ${errorCode(cause)}`, { cause })
  }
  return parseTokens(text, file)
}

async function existingTokens(file: string): Promise<TokenRecord[]> {
  try {
    return await readTokens(file)
  } catch (error) {
    if (error instanceof LayermillError && errorCode(error.cause) === 'ENOENT') return []
    throw error
  }
}

export interface NewToken {
  /** Unique in the file; letters, digits and `_ . @ -`. */
  name: string
  scopes: readonly Scope[]
  /** ISO 8601; never where left out. */
  expires?: string
}

/**
 * Makes a token and adds its hash to the file, which is created (readable by its owner only) where it is not there.
 * The token is returned once, to be shown to its user; it cannot be found again.
 * @throws LayermillError `TOKEN_EXISTS` for a name that is taken, `TOKENS_INVALID` for a name, scope or date that cannot be.
 */
export async function createToken(file: string, { name, scopes, expires }: NewToken): Promise<{ token: string; record: TokenRecord }> {
  const token = `lm_${randomBytes(32).toString('base64url')}`
  const draft = {
    name,
    sha256: hashToken(token).toString('hex'),
    scopes: [...scopes],
    created: new Date().toISOString(),
    ...(expires === undefined ? {} : { expires }),
  }
  const checked = TokenRecord.safeParse(draft)
  if (!checked.success) throw formatZodError(checked.error, draft, { code: 'TOKENS_INVALID' })
  const existing = await existingTokens(file)
  if (existing.some(record => record.name === name)) {
    throw new LayermillError('TOKEN_EXISTS', `${file} has a token named ${name} already`, {
      hint: 'remove it first, or give the new one another name',
    })
  }
  await appendFile(file, `${JSON.stringify(checked.data)}\n`, { mode: 0o600, flush: true })
  return { token, record: checked.data }
}

/** Takes a token off the file; a running server refuses it from then on. Returns false where there is none of this name. */
export async function removeToken(file: string, name: string): Promise<boolean> {
  const records = await readTokens(file)
  const kept = records.filter(record => record.name !== name)
  if (kept.length === records.length) return false
  await writeAtomically(file, handle => handle.writeFile(kept.map(record => `${JSON.stringify(record)}\n`).join('')), { mode: 0o600 })
  return true
}
