import { describe, expect, it } from 'vitest'
import { bytesOfKey, keyOfBytes, keyPartOfBytes, keyPartOfText, textOfKey } from './raw-names.js'

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')

describe('names as parts of keys', () => {
  it.each([
    ['cat.jpg', 'cat.jpg'],
    ['50%25.jpg', '50%25.jpg'],
    ['\u00e9.jpg', '\u00e9.jpg'],
    ['\ufffd.jpg', '\ufffd.jpg'],
    ['\ufeffa', '\ufeffa'],
    ['_raw%a', '__raw%a'],
    ['__raw%a', '___raw%a'],
    ['', '_raw%'],
    ['.', '_raw%%2E'],
    ['..', '_raw%%2E%2E'],
    ['a\0b', '_raw%a%00b'],
    ['...', '...'],
  ])('%j is %s', (name, key) => {
    expect(keyPartOfText(name)).toBe(key)
    expect(keyPartOfBytes(Buffer.from(name))).toBe(key)
    expect(textOfKey(key)).toBe(name)
  })

  it.each([
    ['caf\xe9.jpg', '_raw%caf%E9.jpg'],
    ['\x94L.jpg', '_raw%%94L.jpg'],
    ['\xc3\xa9\xe9%41', '_raw%\u00e9%E9%2541'],
    ['\xe4', '_raw%%E4'],
    ['\xf0\x9f', '_raw%%F0%9F'],
    ['\xed\xa0\x80', '_raw%%ED%A0%80'],
  ])('bytes that are not UTF-8 are kept: %j is %s', (bytes, key) => {
    expect(keyPartOfBytes(latin1(bytes))).toBe(key)
    expect(bytesOfKey(key).equals(latin1(bytes))).toBe(true)
  })

  it('come back, part by part, whatever they are', () => {
    let state = 7
    const random = (below: number): number => (state = (state * 48_271) % 2_147_483_647) % below
    for (let i = 0; i < 2000; i++) {
      const bytes = Buffer.from(
        Array.from({ length: 1 + random(12) }, () => [0x2f, 0x25, 0x5f, 0x2e, 0xc3, 0xa9, 0x41, random(256)][random(8)]!),
      )
      expect(bytesOfKey(keyOfBytes(bytes)).equals(bytes), bytes.toString('hex')).toBe(true)
    }
    expect(keyOfBytes(latin1('a/caf\xe9/b.jpg'))).toBe('a/_raw%caf%E9/b.jpg')
  })
})
