import type { RunRecord } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { Store } from '@layermill/storage'
import { expect, it } from 'vitest'
import { PartFailedError } from './part-tracker.js'
import { RunFile } from './run-file.js'

const full = { put: () => Promise.reject(new Error('no space')), stat: async () => undefined } as unknown as Store

it("gives a failed part's hint beside what is kept, also where the record cannot be written", async () => {
  const file = new RunFile({ id: 'extract-1' } as RunRecord, full)
  const told = await file.fail(new PartFailedError(3, 'CLIENT_MISSING', 'no decoder', 'install it'), 'the parts done')
  expect(told).toMatchObject({
    message: 'part 3: no decoder',
    hint: 'install it; the parts done are kept: once the cause is gone, run the same command again',
  })
  const own = new LayermillError('STORE_FULL', 'full', { hint: 'make space' })
  expect(await file.fail(own, 'the parts done')).toBe(own)
})
