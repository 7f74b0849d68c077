import { expect, it } from 'vitest'
import { flagBytes, flagCount, flagMilliseconds } from './flag-numbers.js'

it('reads counts, seconds and bytes of flags', () => {
  expect(flagCount('--port', '8080', 0, 65_535)).toBe(8080)
  expect(flagMilliseconds('--lock-duration', '2.5')).toBe(2500)
  expect(flagBytes('--weights-cache', '20GB')).toBe(20e9)
  expect(flagBytes('--weights-cache', '1.5 m')).toBe(1.5e6)
  expect(flagBytes('--weights-cache', '0')).toBe(0)
})

it.each(['', '-1', '1e3', '65536', 'x', '1.5', '0x10'])('refuses %j as a port, naming the flag', text => {
  expect(() => flagCount('--port', text, 0, 65_535)).toThrow(/^--port: got .*, expected a whole number from 0 to 65535/)
})

it.each(['', '0', '-5', '0.5', '90000', 'soon'])('refuses %j as seconds', text => {
  expect(() => flagMilliseconds('--drain-deadline', text)).toThrow('--drain-deadline: got')
})

it.each(['', 'GB', '-1', '10 XB', '1.2.3'])('refuses %j as bytes', text => {
  expect(() => flagBytes('--weights-cache', text)).toThrow('expected bytes, as 20GB')
})
