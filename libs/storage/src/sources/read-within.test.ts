import { expect, it } from 'vitest'
import { mapOrdered } from '../prefetch.js'
import { bytesAhead, readWithin } from './read-within.js'
import type { ImageSource } from './source.js'

const source = (kind: ImageSource['kind'], bytes: number, reads: string[] = []): ImageSource => ({
  url: 'file:///images',
  kind,
  items: async function* () {},
  read: async ({ key }) => {
    reads.push(key)
    return new Uint8Array(bytes)
  },
  close: async () => {},
  [Symbol.asyncDispose]: async () => undefined,
})

it('reads nothing of a file that is listed as too large', async () => {
  const reads: string[] = []
  const folder = source('folder', 10, reads)
  await expect(readWithin(folder, { key: 'a.jpg', bytes: 11 }, 10)).rejects.toMatchObject({
    code: 'IMAGE_TOO_LARGE',
    message: expect.stringContaining('11 bytes') as string,
  })
  expect(reads).toEqual([])
  expect(await readWithin(folder, { key: 'b.jpg', bytes: 10 }, 10)).toHaveLength(10)
})

it('looks at the image itself where the listing has an average', async () => {
  expect(await readWithin(source('parquet', 5), { key: 'a', bytes: 11 }, 10)).toHaveLength(5)
  await expect(readWithin(source('parquet', 12), { key: 'a', bytes: 2 }, 10)).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' })
})

it('works ahead on many small files, or on one large one', async () => {
  const large = 200 * 2 ** 20
  const inputs = [1, 1, large, large, 1, 1].map((bytes, i) => ({ bytes, i }))
  let under = 0
  let most = 0
  const order: number[] = []
  const mapped = mapOrdered(inputs, bytesAhead(16), async ({ bytes, i }) => {
    under += bytes
    most = Math.max(most, under)
    await Promise.resolve()
    under -= bytes
    return i
  })
  for await (const i of mapped) order.push(i)
  expect(order).toEqual([0, 1, 2, 3, 4, 5])
  expect(most).toBeLessThan(2 * large)
})
