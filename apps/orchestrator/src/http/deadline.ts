import { LayermillError, withDeadline } from '@layermill/core'

/**
 * A promise's answer, or an error where it takes too long. What it waits for goes on in the background.
 * @throws LayermillError `UNAVAILABLE` after `milliseconds`.
 */
export function answerWithin<T>(promise: Promise<T>, milliseconds: number, what: string): Promise<T> {
  return withDeadline(promise, milliseconds, () => {
    throw new LayermillError('UNAVAILABLE', `${what} did not answer within ${milliseconds} ms`)
  })
}
