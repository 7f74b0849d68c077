import { expect, it } from 'vitest'
import * as z from 'zod'
import { parseJsonRecord } from './json-record.js'

const Record = z.object({
  id: z.string(),
  size: z.object({ height: z.int() }),
  parts: z.array(z.object({ name: z.string() })),
  versions: z.record(z.string(), z.string()),
  more: z.int().default(1),
})
const known = { id: 'a', size: { height: 1 }, parts: [{ name: 'x' }], versions: { any: '1' } }
const read = (value: unknown, strict: boolean): unknown =>
  parseJsonRecord(Record, JSON.stringify(value), { code: 'RECORD_INVALID', where: 'run.json', strict })

it('a strict reader refuses what its schema would drop, naming the field, and takes all that it knows', () => {
  expect(read(known, true)).toEqual({ ...known, more: 1 })
  for (const [value, field] of [
    [{ ...known, later: 1 }, 'later'],
    [{ ...known, size: { height: 1, depth: 2 } }, 'size.depth'],
    [{ ...known, parts: [{ name: 'x', kind: 'y' }] }, 'parts.0.kind'],
  ] as const) {
    expect(() => read(value, true)).toThrow(
      expect.objectContaining({ code: 'RECORD_NEWER', message: expect.stringContaining(`the field ${field}`) }),
    )
    expect(read(value, false)).toEqual({ ...known, more: 1 })
  }
  expect(() => read({ ...known, id: 1 }, true)).toThrow(expect.objectContaining({ code: 'RECORD_INVALID' }))
})
