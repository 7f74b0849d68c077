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

it('names folders by their paths, not by URLs, in notes and errors', () => {
  const err = new PassThrough()
  const output = processOutput(new PassThrough(), err)
  output.note(describeError(new LayermillError('RUN_MISSING', 'there is no run at file:///data/%C3%9C%20x/%E6%97%A5')))
  output.note('(all reasons are in file:///data/o/errors/); s3://bucket/a%20b stays, file:///C:/x does not, file:///50%-off does')
  expect(written(err)).toBe(
    'error: there is no run at /data/Ü x/日  [RUN_MISSING]\n' +
      '(all reasons are in /data/o/errors/); s3://bucket/a%20b stays, C:/x does not, file:///50%-off does\n',
  )
})
