import { describe, expect, it } from 'vitest'
import { FailureLimiter } from './failure-limiter.js'
import { isLoopback } from './loopback.js'

describe('FailureLimiter', () => {
  it('blocks from the last allowed failure to the end of the window', () => {
    let now = 0
    const limiter = new FailureLimiter({ failures: 2, window: 10_000, now: () => now })
    limiter.record('192.0.2.1')
    now = 5000
    limiter.record('192.0.2.1')
    expect(limiter.blockedFor('192.0.2.1')).toBe(5)
    expect(limiter.blockedFor('192.0.2.2')).toBe(0)
    now = 10_000
    expect(limiter.blockedFor('192.0.2.1')).toBe(0)
    limiter.record('192.0.2.1')
    expect(limiter.blockedFor('192.0.2.1')).toBe(0)
  })

  it('counts the addresses of one IPv6 network together', () => {
    const limiter = new FailureLimiter({ failures: 1, now: () => 0 })
    limiter.record('2001:db8:1:2::1')
    expect(limiter.blockedFor('2001:db8:1:2:ffff::7')).toBeGreaterThan(0)
    expect(limiter.blockedFor('2001:db8:1:3::1')).toBe(0)
    limiter.record('::ffff:192.0.2.1')
    expect(limiter.blockedFor('::ffff:192.0.2.2')).toBe(0)
  })

  it('remembers a bounded number of addresses', () => {
    const limiter = new FailureLimiter({ failures: 1, addresses: 100, now: () => 0 })
    for (let i = 0; i < 10_000; i++) limiter.record(`10.0.${i >> 8}.${i & 255}`)
    expect(limiter.size).toBe(100)
  })
})

describe('isLoopback', () => {
  it.each(['localhost', 'LOCALHOST', '127.0.0.1', '127.255.0.3', '::1', '[::1]', '::ffff:127.0.0.1'])('%s', host =>
    expect(isLoopback(host)).toBe(true),
  )
  it.each(['0.0.0.0', '::', '128.0.0.1', 'localhost.example.org', '127.0.0.1.example.org', '', '2130706433'])('not %s', host =>
    expect(isLoopback(host)).toBe(false),
  )
})
