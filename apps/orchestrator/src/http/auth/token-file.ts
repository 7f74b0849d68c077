import { createHash, randomBytes } from 'node:crypto'
import { appendFile, chown, lstat, open, readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { formatZodError, Scope } from '@layermill/contracts'
import { errorCode, errorMessage, LayermillError } from '@layermill/core'
import * as z from 'zod'

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

/** Runs a step that changes the file. @throws LayermillError `TOKENS_UNWRITABLE` where the system refuses it. */
async function changing<Result>(file: string, step: () => Promise<Result>): Promise<Result> {
  try {
    return await step()
  } catch (cause) {
    if (cause instanceof LayermillError || errorCode(cause) === undefined) throw cause
    throw new LayermillError('TOKENS_UNWRITABLE', `The token file ${file} cannot be changed: ${errorMessage(cause)}`, {
      cause,
      hint: 'change it where it is kept, as its owner: a mount may be read-only, and a file made from a secret changes with the secret',
    })
  }
}

const isThere = (file: string): Promise<boolean> =>
  lstat(file).then(
    () => true,
    () => false,
  )

/**
 * Adds a line. A file that is made here is readable by its owner only, who is the owner of its folder where root makes it: the server of
 * that folder, which need not be root, must be able to read it.
 */
async function appendLine(file: string, line: string): Promise<void> {
  const isNew = !(await isThere(file))
  await appendFile(file, line, { mode: 0o600, flush: true })
  if (!isNew || process.getuid?.() !== 0) return
  const { uid, gid } = await stat(dirname(file))
  await chown(file, uid, gid)
}

/**
 * Makes a token and adds its hash to the file, which is created (readable by its owner only) where it is not there.
 * The token is returned once, to be shown to its user; it cannot be found again.
 * @throws LayermillError `TOKEN_EXISTS` for a name that is taken, `TOKENS_INVALID` for a name, scope or date that cannot be,
 *   `TOKENS_UNWRITABLE`.
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
  await changing(file, () => appendLine(file, `${JSON.stringify(checked.data)}\n`))
  return { token, record: checked.data }
}

/** First byte and number of bytes of the line of a token, its newline included. */
function placeOf(bytes: Buffer, name: string, where: string): { start: number; length: number } | undefined {
  for (let start = 0, number = 1; start < bytes.length; number++) {
    const newline = bytes.indexOf(0x0a, start)
    const end = newline < 0 ? bytes.length : newline
    const line = bytes.toString('utf8', start, end).trim()
    if (line !== '' && !line.startsWith('#') && parseLine(line, `${where}:${number}`).name === name)
      return { start, length: Math.min(end + 1, bytes.length) - start }
    start = end + 1
  }
  return undefined
}

/**
 * Takes a token off the file; a running server refuses it from then on. Returns false where there is none of this name.
 *
 * Its line becomes as many spaces before the next one, by one write into the file that is there. The file keeps its owner, its permissions
 * and its identity: a server behind a bind mount of it sees the change, which it would not where another file took the name. Comments and
 * lines that are added meanwhile stay.
 * @throws LayermillError `TOKENS_UNREADABLE`, `TOKENS_INVALID`, `TOKENS_UNWRITABLE`; the last also where the token is still there
 * afterwards.
 */
export async function removeToken(file: string, name: string): Promise<boolean> {
  if (!(await readTokens(file)).some(record => record.name === name)) return false
  await changing(file, async () => {
    await using handle = await open(file, 'r+')
    const place = placeOf(await handle.readFile(), name, file)
    if (place === undefined) return
    await handle.write(Buffer.alloc(place.length, ' '), 0, place.length, place.start)
    await handle.sync()
  })
  if (!(await readTokens(file)).some(record => record.name === name)) return true
  throw new LayermillError('TOKENS_UNWRITABLE', `The token file ${file} still has the token ${name} after it was removed`, {
    hint: 'another program may have written the file at the same time: run the command again',
  })
}
