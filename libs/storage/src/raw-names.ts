/**
 * Names that no key can hold as they are: not UTF-8 (a folder that was unpacked from a GBK or Latin-1 archive), and the parts '', '.' and
 * '..' of a bucket's keys. Their bytes are kept: `caf\xe9.jpg` is `_raw%caf%E9.jpg`, and `..` is `_raw%%2E%2E`. A name that begins so of
 * itself gets another underscore, as `_up` does in lists, so that each name has one key and each key one name.
 */
const markName = '_raw%'
const marked = /^_+raw%/

/** Whether a key may hold a part that stands for other bytes. */
export function holdsRawNames(key: string): boolean {
  return key.includes('raw%')
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** A name's text as part of a key; texts that can be one are left as they are. */
export function keyPartOfText(name: string): string {
  if (name === '' || name === '.' || name === '..' || name.includes('\0')) return escapeBytes(Buffer.from(name), name.startsWith('.'))
  return marked.test(name) ? `_${name}` : name
}

/** A name's bytes as part of a key. @param bytes without '/' */
export function keyPartOfBytes(bytes: Uint8Array): string {
  const text = textOf(bytes)
  return text === undefined ? escapeBytes(bytes, false) : keyPartOfText(text)
}

/** A path's bytes as a key, part by part. */
export function keyOfBytes(bytes: Uint8Array): string {
  const text = textOf(bytes)
  if (text !== undefined && !text.includes('raw%')) return text
  const parts: string[] = []
  for (let start = 0, end = 0; start <= bytes.byteLength; start = end + 1) {
    end = bytes.indexOf(0x2f, start)
    if (end < 0) end = bytes.byteLength
    const part = bytes.subarray(start, end)
    const name = textOf(part)
    // Parts that are not names of files ('', '.', '..') are for the caller, who knows what they mean in its place.
    parts.push(name === undefined ? escapeBytes(part, false) : marked.test(name) ? `_${name}` : name)
  }
  return parts.join('/')
}

/** The bytes of a key's path: the inverse of the functions above, part by part. */
export function bytesOfKey(key: string): Buffer {
  return Buffer.concat(key.split('/').flatMap((part, i) => (i === 0 ? [bytesOfPart(part)] : [Buffer.from('/'), bytesOfPart(part)])))
}

/** The text of a key's path, where all of it is one: in buckets, whose keys always are. */
export function textOfKey(key: string): string {
  return holdsRawNames(key) ? bytesOfKey(key).toString() : key
}

function bytesOfPart(part: string): Buffer {
  if (part.startsWith(markName)) return unescapeBytes(part.slice(markName.length))
  return Buffer.from(marked.test(part) ? part.slice(1) : part)
}

/** Printable ASCII stays readable, and UTF-8 where it is: only what is neither, and '%', is written as its bytes. */
function escapeBytes(bytes: Uint8Array, dots: boolean): string {
  let text = markName
  for (let at = 0; at < bytes.byteLength;) {
    const byte = bytes[at]!
    const length = byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4
    const char = textOf(bytes.subarray(at, at + length))
    const isPlain = char !== undefined && char !== '%' && !/\p{Cc}/u.test(char) && !(dots && char === '.')
    text += isPlain ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    at += isPlain ? length : 1
  }
  return text
}

function unescapeBytes(text: string): Buffer {
  const chunks: Buffer[] = []
  for (const [piece] of text.matchAll(/%[0-9A-F]{2}|[^%]+|%/g)) {
    chunks.push(piece.length === 3 && piece.startsWith('%') ? Buffer.from([Number.parseInt(piece.slice(1), 16)]) : Buffer.from(piece))
  }
  return Buffer.concat(chunks)
}
