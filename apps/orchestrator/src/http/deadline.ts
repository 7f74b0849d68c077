import { LayermillError } from '@layermill/core'

/**
 * A promise's answer, or an error where it takes too long. What it waits for goes on in the background.
 * @throws LayermillError `UNAVAILABLE` after `milliseconds`.
 */
export async function withDeadline<T>(promise: Promise<T>, milliseconds: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new LayermillError('UNAVAILABLE', `${what} did not answer within ${milliseconds} ms`)), milliseconds)
  })
  try {
    return await Promise.race([promise, expired])
  } finally {
    clearTimeout(timer)
  }
}
