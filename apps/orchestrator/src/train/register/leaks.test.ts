import { expect, it } from 'vitest'
import type { ImageSource } from '@layermill/storage'
import { exactLeaks, type ImagesOf, leakReason, leakRecord } from './leaks.js'

/** A source of texts that remembers what was read. */
function imagesOf(files: Readonly<Record<string, string>>, kind: ImageSource['kind'] = 'folder'): ImagesOf & { readonly read: string[] } {
  const read: string[] = []
  const source: Pick<ImageSource, 'read' | 'kind'> = {
    kind,
    read: async ({ key }) => {
      read.push(key)
      return new TextEncoder().encode(files[key])
    },
  }
  const rows = Object.entries(files).map(([key, text]) => ({ key, etag: '', bytes: text.length }))
  return { rows, source: source as ImageSource, read }
}

it('finds held-out images that are trained on, and reads only files of as many bytes', async () => {
  const training = imagesOf({ 'a.png': 'one', 'b.png': 'four', 'c.png': 'two', 'd.png': 'seven' })
  const heldOut = imagesOf({ 'x.png': 'two', 'y.png': 'six', 'z.png': 'thirteen', 'w.png': 'two' })
  const options = { limits: { maxBytes: 100, timeoutMs: 1000 }, signal: new AbortController().signal }
  const leaks = await exactLeaks(training, heldOut, options)
  expect(leaks).toEqual([
    { key: 'w.png', training: 'c.png' },
    { key: 'x.png', training: 'c.png' },
  ])
  expect([...training.read, ...heldOut.read].sort()).toEqual(['a.png', 'c.png', 'w.png', 'x.png', 'y.png'])
  const byBytes = { found: leaks, by: 'bytes' } as const
  expect(leakReason(byBytes, 4)).toMatch(/^2 of 4 held-out images are trained on too, byte for byte \(w\.png is c\.png\)/)
  expect(leakRecord(byBytes)).toEqual({ images: 2, by: 'bytes', keys: ['w.png', 'x.png'], training: ['c.png', 'c.png'] })
  expect(leakReason({ found: leaks, by: 'features' }, 4)).toContain(
    '2 of 4 held-out images are nearly images that are trained on, by features',
  )
  expect(await exactLeaks(imagesOf({ 'a.png': 'one' }), heldOut, options)).toEqual([])
  const table = imagesOf({ a: 'two' }, 'parquet')
  const average = { ...table, rows: table.rows.map(row => ({ ...row, bytes: 9 })) }
  expect(await exactLeaks(average, heldOut, options)).toHaveLength(2)
})
