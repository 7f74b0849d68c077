import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LayermillError, placeSchemeOf } from '@layermill/core'
import { FileStore } from './files/file-store.js'
import { defaultTimeouts } from './s3/client.js'
import { S3Store } from './s3/s3-store.js'
import type { Store } from './store.js'

/**
 * Opens the store at a URL: `s3://bucket/prefix`, `file:///path`, or a plain path (relative to the current folder). Nothing is touched:
 * a folder is made by the first write, a bucket is asked at the first call.
 *
 * @param warn told, once for each bucket, of what its server cannot do
 * @throws LayermillError `STORE_URL` for another scheme or a URL with credentials in it.
 */
export function openStore(url: string, warn?: (text: string) => void): Store {
  if (url === '') throw new LayermillError('STORE_URL', 'the place of a store is empty; expected a folder or s3://bucket/prefix')
  const scheme = placeSchemeOf(url)
  if (scheme === undefined) return new FileStore(resolve(url))
  if (scheme === 'file') return new FileStore(fileURLToPath(url))
  if (scheme === 's3') return new S3Store(url, process.env, defaultTimeouts, warn)
  throw new LayermillError('STORE_URL', `${scheme}:// is not a store; expected a folder, file:// or s3://bucket/prefix`)
}
