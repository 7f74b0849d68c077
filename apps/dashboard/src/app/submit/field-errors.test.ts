import { expect, it } from 'vitest'
import { fieldErrors } from './field-errors.js'

const known = ['source', 'layers', 'size', 'out']

it("puts each line of the server's at its field", () => {
  const problem = {
    code: 'SPEC_INVALID',
    detail: '',
    errors: ['size: got "a", expected b', 'layers[0]: got 1, expected text', 'head: got 5, expected none', 'and 2 more'],
  }
  expect(fieldErrors(problem, known)).toEqual({
    fields: { size: 'got "a", expected b', layers: 'got 1, expected text' },
    rest: ['head: got 5, expected none', 'and 2 more'],
  })
})

it('goes by the code where no field is named, and adds the hint', () => {
  const problem = { code: 'LAYER_UNKNOWN', detail: 'no layer x in vgg16', hint: 'did you mean fc7?' }
  expect(fieldErrors(problem, known)).toEqual({ fields: { layers: 'no layer x in vgg16. did you mean fc7?' }, rest: [] })
  expect(fieldErrors({ code: 'UNAVAILABLE', detail: 'The queue is away' }, known)).toEqual({ fields: {}, rest: ['The queue is away'] })
})

it('tells the fields of a schedule from those of its spec', () => {
  const fields = ['name', 'cron', 'notify', 'spec.out', 'spec.notify']
  const problem = {
    code: 'SPEC_INVALID',
    detail: '',
    errors: ['cron: expected 5 fields', 'spec.notify[0]: expected a URL', 'notify: expected URLs'],
  }
  expect(fieldErrors(problem, fields)).toEqual({
    fields: { cron: 'expected 5 fields', 'spec.notify': 'expected a URL', notify: 'expected URLs' },
    rest: [],
  })
  expect(fieldErrors({ code: 'SCHEDULE_EXISTS', detail: 'there is one' }, fields).fields).toEqual({ name: 'there is one' })
  expect(fieldErrors({ code: 'STORE_URL', detail: 'no such place' }, fields).fields).toEqual({ 'spec.out': 'no such place' })
})
