import { describe, expect, it } from 'vitest'
import { Glob } from './glob.js'
import { expandBraces, isGlob, splitGlob } from './glob-pattern.js'

describe('a pattern', () => {
  it.each([
    ['*.jpg', ['a.jpg', 'photo (1).jpg'], ['a/b.jpg', '.a.jpg', 'a.jpeg', 'a.jpg.txt']],
    ['*/*.jpg', ['a/b.jpg'], ['b.jpg', 'a/b/c.jpg', '.git/b.jpg', 'a/.b.jpg']],
    ['**/*.jpg', ['b.jpg', 'a/b.jpg', 'a/b/c.jpg'], ['a/.b/c.jpg', 'a/b.png']],
    ['a/**', ['a/b', 'a/b/c.jpg'], ['a', 'b/a/c', 'a/.b']],
    ['**', ['a', 'a/b'], ['.a', 'a/.b']],
    ['a**b', ['ab', 'axb'], ['a/b']],
    ['a/**/b/*.png', ['a/b/x.png', 'a/c/b/x.png', 'a/c/d/b/x.png'], ['a/x.png', 'a/b/c/x.png']],
    ['?.jpg', ['a.jpg', '\u{1f600}.jpg'], ['.jpg', 'ab.jpg', '/.jpg']],
    ['[a-c0].jpg', ['a.jpg', 'c.jpg', '0.jpg'], ['d.jpg', '-.jpg']],
    ['[!a-c].jpg', ['d.jpg'], ['a.jpg', '/.jpg', '..jpg']],
    ['[^a].jpg', ['b.jpg'], ['a.jpg']],
    ['[]-].jpg', ['].jpg', '-.jpg'], ['a.jpg']],
    ['{cat,dog}/*.{jpg,png}', ['cat/a.jpg', 'dog/b.png'], ['cow/a.jpg', 'cat/a.gif']],
    ['{a,b{c,d}}x', ['ax', 'bcx', 'bdx'], ['bx', 'cx']],
    ['{a,}b', ['ab', 'b'], ['aab']],
    ['{**/x,y}.jpg', ['x.jpg', 'a/b/x.jpg', 'y.jpg'], ['a/y.jpg']],
    ['{000..099}.jpg', ['000.jpg', '042.jpg', '099.jpg'], ['100.jpg', '42.jpg', '0042.jpg']],
    ['{8..123}.jpg', ['8.jpg', '9.jpg', '10.jpg', '99.jpg', '100.jpg', '123.jpg'], ['7.jpg', '124.jpg', '08.jpg', '1230.jpg']],
    ['{0..3}', ['0', '1', '3'], ['4', '00']],
    ['{b..d}', ['b', 'd'], ['a', 'e']],
    // Parentheses, a leading '!', '+' and '@' are plain characters.
    ['photos (*)/a.jpg', ['photos (1)/a.jpg'], ['photos 1/a.jpg']],
    ['!(a)*.jpg', ['!(a).jpg', '!(a)b.jpg'], ['b.jpg']],
    ['!*.jpg', ['!a.jpg'], ['a.jpg']],
    ['+(a|b)?', ['+(a|b)c'], ['ab', 'a']],
    ['@(a|b)*', ['@(a|b)'], ['a']],
    ['\\*[*]\\{a,b}', ['**{a,b}'], ['x*{a,b}']],
    ['[a', ['[a'], ['a']],
    ['{a', ['{a'], ['a']],
    ['{a}*', ['{a}', '{a}b'], ['a']],
  ])('%s', (pattern, yes, no) => {
    const glob = new Glob(pattern)
    for (const key of yes) expect(glob.matches(key), key).toBe(true)
    for (const key of no) expect(glob.matches(key), key).toBe(false)
  })

  it('takes every number of a range and no other', () => {
    for (const [from, to] of [
      [0, 0],
      [7, 7],
      [0, 1234],
      [9, 10],
      [95, 1105],
      [998, 2001],
    ] as const) {
      const glob = new Glob(`{${from}..${to}}`)
      for (let number = 0; number < 2500; number++) expect(glob.matches(String(number))).toBe(number >= from && number <= to)
    }
  })

  it('says how deep it goes, so that other folders are not opened', () => {
    expect(['*.jpg', 'a/*', '{a,b/c}/*', '**/a', 'a/**'].map(pattern => new Glob(pattern).depth)).toEqual([0, 1, 2, Infinity, Infinity])
  })

  it('keeps what it found, so that a key is followed character by character', () => {
    const glob = new Glob('*-{a,b}*.jpg')
    expect(['x-a.jpg', 'x-b1.jpg', 'y-a.jpg'].map(key => glob.matches(key))).toEqual([true, true, true])
    const { size } = Reflect.get(glob, 'kept') as Map<string, unknown>
    expect(['z-a2.jpg', 'zz-b.jpg', 'z-z-a.jpg'].map(key => glob.matches(key))).toEqual([true, true, true])
    expect(Reflect.get(glob, 'kept')).toHaveProperty('size', size)
  })

  it('is refused where it is no pattern of a person', () => {
    expect(() => new Glob('*'.repeat(5000))).toThrow(expect.objectContaining({ code: 'SOURCE_KIND' }) as Error)
    expect(() => new Glob(`${'{a,'.repeat(30)}b${'}'.repeat(30)}`)).toThrow(/more than 20 deep/)
  })
})

describe('what is a pattern', () => {
  it.each([
    ['photos (1)', false],
    ['x!(y)', false],
    ['!a', false],
    ['+(a)', false],
    ['a[b', false],
    ['{a}', false],
    ['a\\*b', false],
    ['a[b]', true],
    ['{a,b}', true],
    ['a?b', true],
    ['*', true],
  ])('%s: %s', (text, expected) => expect(isGlob(text)).toBe(expected))

  it.each([
    ['p/q/*.jpg', 'p/q/', '*.jpg'],
    ['*.jpg', '', '*.jpg'],
    ['/p/*', '/p/', '*'],
    ['/*', '/', '*'],
    ['p (1)/*', 'p (1)/', '*'],
    ['p\\*/q/*', 'p*/q/', '*'],
    ['p/q\\*r/s*', 'p/q*r/', 's*'],
  ])('%s starts at %s', (pattern, base, rest) => expect(splitGlob(pattern)).toEqual({ base, rest }))

  it('expands its braces', () => {
    expect(expandBraces('a-{08..11}.{tar,x*}', 100)).toEqual(
      ['08', '09', '10', '11'].flatMap(n => [
        { text: `a-${n}.tar`, isGlob: false },
        { text: `a-${n}.x*`, isGlob: true },
      ]),
    )
    expect(expandBraces('a (1)[x]', 100)).toEqual([{ text: 'a (1)[x]', isGlob: true }])
    expect(expandBraces('a\\*{b,c}', 100)).toEqual([
      { text: 'a*b', isGlob: false },
      { text: 'a*c', isGlob: false },
    ])
    expect(() => expandBraces('{0..99999}{0..99999}', 100_000)).toThrow(/more than 100000 names/)
    expect(() => expandBraces('{0..999999999999}', 100_000)).toThrow(/more than 100000 names/)
  })
})
