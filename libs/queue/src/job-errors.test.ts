import { LayermillError } from '@layermill/core'
import { expect, it } from 'vitest'
import { parseFailedReason, toJobError } from './job-errors.js'

it('keeps the code across the queue', async () => {
  const reason = (await toJobError(new LayermillError('STORE_BUSY', 'slow down: later'))).message
  expect(parseFailedReason(reason)).toEqual({ code: 'STORE_BUSY', message: 'slow down: later' })
})

it('keeps the hint across the queue, without credentials', async () => {
  const hint = 'raise --max-errors,\nor mend s3://key:secret@bucket/x'
  const { message } = await toJobError(new LayermillError('TOO_MANY_ERRORS', '5 of 9', { hint }))
  expect(parseFailedReason(message)).toEqual({
    code: 'TOO_MANY_ERRORS',
    message: '5 of 9',
    hint: expect.stringContaining('raise') as string,
  })
  expect(message).not.toContain('secret')
})

it('ends a job at once where another attempt cannot help', async () => {
  expect((await toJobError(new LayermillError('STORE_FULL', 'disk full'))).name).toBe('UnrecoverableError')
  expect((await toJobError(new LayermillError('STORE_BUSY', 'slow down'))).name).toBe('Error')
})

it('names what BullMQ says of vanished workers', () => {
  expect(parseFailedReason('job stalled more than allowable limit').code).toBe('WORKER_LOST')
  expect(parseFailedReason('strange').code).toBe('UNEXPECTED')
})
