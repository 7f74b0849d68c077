import { type ExtractSpec, parseSpec, type PredictSpec } from '@layermill/contracts'
import { expect, it } from 'vitest'
import { reportPlace } from './report-place.js'

const place = (fields: Record<string, unknown>): string | undefined =>
  reportPlace(parseSpec({ kind: 'extract', source: '/in', model: 'googlenet', report: true, ...fields }) as ExtractSpec | PredictSpec)

it.each([
  [{ out: '/data/features/' }, '/data/features/report.html'],
  [{ out: 's3://bucket/features' }, 's3://bucket/features/report.html'],
  [{ kind: 'predict', out: '/data/v1.2/classes.csv' }, '/data/v1.2/classes.report.html'],
  [{ kind: 'predict', out: 's3://bucket/a.b.JSONL' }, 's3://bucket/a.b.report.html'],
  [{ out: '/data/features', report: false }, undefined],
] as const)('%j: %s', (fields, expected) => {
  expect(place(fields)).toBe(expected)
})

it('needs a place', () => {
  expect(() => place({ kind: 'predict' })).toThrow('report')
})
