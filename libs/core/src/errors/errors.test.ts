import { describe, expect, it } from 'vitest'
import { exitCodeOfError } from '../process/exit-codes.js'
import { errorCode, errorMessage, firstError, LayermillError } from './errors.js'
import { classify } from './failure-codes.js'

const failing = (name: string): AsyncDisposable => ({ [Symbol.asyncDispose]: () => Promise.reject(new Error(`${name} does not close`)) })

async function thrown(action: () => Promise<unknown>): Promise<unknown> {
  return action().then(
    () => expect.fail('nothing was thrown'),
    (error: unknown) => error,
  )
}

describe('an error on whose way others came up', () => {
  const spec = new LayermillError('SPEC_INVALID', 'layers: got none')
  const useBoth = async (): Promise<never> => {
    await using _store = failing('the store')
    await using _source = failing('the source')
    throw spec
  }

  it('is the one that is told, by code, message, class and exit code', async () => {
    const error = await thrown(useBoth)
    expect(error).not.toBe(spec)
    expect(firstError(error)).toBe(spec)
    expect([errorCode(error), errorMessage(error)]).toEqual(['SPEC_INVALID', 'layers: got none'])
    expect(classify(error)).toMatchObject({ code: 'SPEC_INVALID', retry: 'never' })
    expect(exitCodeOfError(error)).toBe(exitCodeOfError(spec))
  })

  it('is the failure to close where there is no other', async () => {
    const error = await thrown(async () => {
      await using _store = failing('the store')
    })
    expect(errorMessage(error)).toBe('the store does not close')
  })
})

it('leaves other values as they are', () => {
  expect(firstError('text')).toBe('text')
  expect(firstError(undefined)).toBeUndefined()
  const error = new Error('plain', { cause: new Error('deeper') })
  expect(firstError(error)).toBe(error)
})
