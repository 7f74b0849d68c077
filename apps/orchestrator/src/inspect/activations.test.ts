import { expect, it } from 'vitest'
import { channelDifferences } from './activations.js'

it('finds the channels in which a class differs from the others', () => {
  const rows = ['cat', 'cat', 'dog', 'dog', undefined].map((label, i) => ({
    part: 0,
    key: `${i}`,
    ...(label === undefined ? {} : { label }),
  }))
  // The second channel tells cats from the rest; the third never changes.
  const values = Float32Array.from([1, 9, 5, 2, 9, 5, 1, 1, 5, 2, 1, 5, 1.5, 1, 5])
  const { classes, images } = channelDifferences({ images: 5, rows, dimensions: 3, values }, 'pool5')
  expect(images).toBe(5)
  expect(classes.map(({ label, images: count }) => [label, count])).toEqual([
    ['cat', 2],
    ['dog', 2],
  ])
  expect(classes[0]!.channels[0]).toEqual({ channel: 1, mean: 9, others: 1, difference: expect.closeTo(8 / Math.sqrt(15.36), 6) as number })
  expect(classes[0]!.channels.at(-1)).toMatchObject({ channel: 2, difference: 0 })
})
