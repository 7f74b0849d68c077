import { expect, it } from 'vitest'
import { listFile } from './list-file.js'

it('names images by their paths, with labels where there are some', () => {
  expect(listFile('/data/photos/', [{ key: 'cats/a,b.jpg', label: 'cat' }, { key: 'c.jpg' }])).toBe(
    'path,label\n"/data/photos/cats/a,b.jpg",cat\n/data/photos/c.jpg,\n',
  )
  expect(listFile('s3://bucket/photos', [{ key: 'a.jpg' }])).toBe('path\ns3://bucket/photos/a.jpg\n')
  expect(listFile('/data/list.csv', [{ key: 'a.jpg' }])).toBe('path\na.jpg\n')
})
