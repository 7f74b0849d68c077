import { isAbsolute, posix, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LayermillError, placeSchemeOf } from '@layermill/core'
import { checkKey } from '../keys.js'

/** Place of a listed image. */
export type Place =
  | { readonly kind: 'local'; readonly path: string }
  | { readonly kind: 's3'; readonly bucket: string; readonly key: string }

/** The folder a list file lies in; relative entries start there. */
export type ListBase =
  | { readonly kind: 'local'; readonly folder: string }
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string }

const upSegment = '_up'
const root = '_root'
const s3 = '_s3'
const reserved = /^_+(up|root|s3)$/

/** A first folder that would read as one of ours gets another underscore; `unescapeFirst` takes it away. */
function escapeFirst(path: string): string {
  return reserved.test(path.split('/')[0] ?? '') ? `_${path}` : path
}

function unescapeFirst(path: string): string {
  return path.startsWith('__') && reserved.test(path.split('/')[0] ?? '') ? path.slice(1) : path
}

/**
 * The key of a list file's entry. Paths below the list's own folder are relative to it. What lies elsewhere keeps its place in the key, as
 * folders that are safe as output names: `../x.jpg` is `_up/x.jpg`, `/data/x.jpg` is `_root/data/x.jpg`, `s3://b/x.jpg` is `_s3/b/x.jpg`.
 *
 * @throws LayermillError `KEY_INVALID` or `LIST_INVALID`, without the line, which the caller knows
 */
export function keyOfEntry(entry: string, base: ListBase): string {
  const key = uncheckedKey(entry, base)
  checkKey(key, JSON.stringify(entry))
  return key
}

function uncheckedKey(entry: string, base: ListBase): string {
  const scheme = placeSchemeOf(entry)
  if (scheme === 's3') return `${s3}/${entry.slice('s3://'.length)}`
  if (scheme !== undefined && scheme !== 'file') {
    throw new LayermillError('LIST_INVALID', `${scheme}:// cannot be read; expected a path or s3://bucket/key`)
  }
  const drive = /^([a-z]:)[\\/]/i.exec(entry)?.[1]
  if (drive !== undefined)
    throw new LayermillError('LIST_INVALID', `a path on the drive ${drive} of another machine`, {
      hint: 'Make the paths relative to the list.',
    })
  // Lists from Windows; a file whose own name has a backslash cannot be listed.
  const path = scheme === 'file' ? fileURLToPath(entry) : entry.replaceAll('\\', '/')
  // A key of a bucket is taken as it is: 'a//b' and './a' are other objects there, and refused as keys.
  if (base.kind === 's3') {
    if (scheme === 'file' || path.startsWith('/'))
      throw new LayermillError('LIST_INVALID', 'an absolute path in a list that is itself in a bucket')
    return escapeFirst(path)
  }
  if (isAbsolute(path)) {
    const inside = relative(base.folder, path)
    return inside.startsWith('..') || isAbsolute(inside) ? `${root}${posix.normalize(path)}` : escapeFirst(inside)
  }
  let rest = posix.normalize(path)
  let up = ''
  while (rest.startsWith('../')) {
    up += `${upSegment}/`
    rest = rest.slice(3)
  }
  return up + escapeFirst(rest)
}

/** Whether a key is of an image that does not lie below the list's own folder. */
export function isElsewhere(key: string): boolean {
  return [upSegment, root, s3].includes(key.split('/')[0] ?? '')
}

/** Place of the image with this key: the inverse of `keyOfEntry`. */
export function placeOfKey(key: string, base: ListBase): Place {
  checkKey(key, 'list')
  const [first = '', second = ''] = key.split('/')
  if (first === s3) return { kind: 's3', bucket: second, key: key.slice(s3.length + second.length + 2) }
  if (base.kind === 's3') return { kind: 's3', bucket: base.bucket, key: base.prefix + unescapeFirst(key) }
  if (first === root) return { kind: 'local', path: key.slice(root.length) }
  let rest = key
  let up = ''
  while (rest.startsWith(`${upSegment}/`)) {
    up += '../'
    rest = rest.slice(upSegment.length + 1)
  }
  return { kind: 'local', path: resolve(base.folder, up + unescapeFirst(rest)) }
}
