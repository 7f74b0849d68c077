import { expect, it } from 'vitest'
import { globMatcher } from './glob.js'

it.each([
  ['blocks.*', ['blocks.1'], ['blocks', 'blocks.1.attn', 'xblocks.1']],
  ['blocks.**', ['blocks.1', 'blocks.1.attn'], ['blocks']],
  ['**/Conv', ['/a/b/Conv'], ['/a/b/Conv_1']],
  ['layer?.{conv,bn}[12]', ['layer1.conv2', 'layer4.bn1'], ['layer1.conv3', 'layer10.bn1', 'layer1.relu1']],
  ['a[!0-9]c', ['abc', 'a.c'], ['a1c', 'ac']],
  ['{a,{b,c}d,}x', ['ax', 'bdx', 'cdx', 'x'], ['bx', 'dx']],
  ['a{b', ['a{b'], ['ab']],
  ['a.b+(c)', ['a.b+(c)'], ['axb+(c)', 'a.bb(c)']],
])('%s', (glob, matching, others) => {
  const matches = globMatcher(glob)
  expect(matching.filter(name => !matches(name))).toEqual([])
  expect(others.filter(matches)).toEqual([])
})

it('takes steps in proportion to name and glob, however many wildcards there are', () => {
  expect(globMatcher(`${'**a'.repeat(40)}b`)('a'.repeat(2000))).toBe(false)
})

it('crosses what parts no names', () => {
  expect(['res4/a', 'res4.a'].map(globMatcher('res*a', ''))).toEqual([true, true])
  expect(['res4/a', 'res4.a'].map(globMatcher('res*a', '/'))).toEqual([false, true])
})
