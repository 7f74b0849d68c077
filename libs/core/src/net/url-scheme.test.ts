import { expect, it } from 'vitest'
import { placeSchemeOf, schemeOf } from './url-scheme.js'

it.each([
  ['s3://bucket/key', 's3'],
  ['S3://bucket/key', 's3'],
  ['File:///a', 'file'],
  ['redis+cluster://host', 'redis+cluster'],
  ['a.b-c://x', 'a.b-c'],
  ['s3://', 's3'],
])('%s has the scheme %s', (text, scheme) => {
  expect(schemeOf(text)).toBe(scheme)
  expect(placeSchemeOf(text)).toBe(scheme)
})

it.each([
  '',
  '/a/b',
  'a/b',
  's3:/bucket',
  's3:bucket',
  '3s://bucket',
  ' s3://bucket',
  'a/s3://bucket',
  '://x',
  'C:\\a',
  'C:/a',
  'a\ns3://b',
])('%j has none', text => {
  expect(schemeOf(text)).toBeUndefined()
  expect(placeSchemeOf(text)).toBeUndefined()
})

it('takes a single letter for a scheme where a guard asks, and for a drive where a store does', () => {
  expect(schemeOf('C://x')).toBe('c')
  expect(placeSchemeOf('C://x')).toBeUndefined()
})
