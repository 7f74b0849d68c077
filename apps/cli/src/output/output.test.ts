import { PassThrough } from 'node:stream'
import { LayermillError } from '@layermill/core'
import { expect, it } from 'vitest'
import { written } from './testing/written.js'
import { describeError, processOutput } from './output.js'

it('writes control characters of names out, in results, notes and errors', () => {
  const out = new PassThrough()
  const err = new PassThrough()
  const output = processOutput(out, err)
  output.line('cat\u001b]0;title\u0007.jpg\n  98.0%  a\u009b31m')
  output.json({ key: 'dog\u009b2J\u202egpj' })
  output.note(describeError(new LayermillError('IMAGE_CORRUPT', 'photo\r\u001b[1A.jpg is damaged')))
  expect(written(out)).toBe(
    String.raw`cat\u001b]0;title\u0007.jpg` +
      '\n' +
      String.raw`  98.0%  a\u009b31m` +
      '\n' +
      String.raw`{"key":"dog\u009b2J\u202egpj"}` +
      '\n',
  )
  expect(written(err)).toBe(String.raw`error: photo\r\u001b[1A.jpg is damaged  [IMAGE_CORRUPT]` + '\n')
})
