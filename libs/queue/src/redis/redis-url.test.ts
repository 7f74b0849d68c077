import { describe, expect, it } from 'vitest'
import { isRedisUrl, parseRedisUrl } from './redis-url.js'

describe('URLs of Redis', () => {
  it('one server', () => {
    expect(parseRedisUrl('redis://host')).toEqual({
      kind: 'single',
      tls: false,
      hosts: [{ host: 'host', port: 6379 }],
      name: undefined,
      database: 0,
      username: undefined,
      password: undefined,
      description: 'redis://host',
    })
    expect(parseRedisUrl('rediss://anna:p%40ss@host:7000/3')).toMatchObject({
      tls: true,
      hosts: [{ host: 'host', port: 7000 }],
      database: 3,
      username: 'anna',
      password: 'p@ss',
      description: 'rediss://host:7000/3',
    })
    expect(parseRedisUrl('redis://:a:b@[::1]:7000/')).toMatchObject({
      hosts: [{ host: '::1', port: 7000 }],
      username: undefined,
      password: 'a:b',
      description: 'redis://[::1]:7000',
    })
    // A password whose special characters were forgotten about.
    expect(parseRedisUrl('redis://:hunter2/?@host')).toMatchObject({ password: 'hunter2/?', hosts: [{ host: 'host', port: 6379 }] })
  })

  it('sentinels', () => {
    expect(parseRedisUrl('redis+sentinel://:secret@h1,h2:5000,10.0.0.3/mymaster/2')).toMatchObject({
      kind: 'sentinel',
      name: 'mymaster',
      database: 2,
      password: 'secret',
      hosts: [
        { host: 'h1', port: 26_379 },
        { host: 'h2', port: 5000 },
        { host: '10.0.0.3', port: 26_379 },
      ],
      description: 'redis+sentinel://h1:26379,h2:5000,10.0.0.3:26379/mymaster/2',
    })
    expect(parseRedisUrl('REDISS+Sentinel://h1/m')).toMatchObject({
      kind: 'sentinel',
      tls: true,
      name: 'm',
      database: 0,
      description: 'rediss+sentinel://h1:26379/m',
    })
  })

  it('clusters', () => {
    expect(parseRedisUrl('redis+cluster://h1:1,h2:2')).toMatchObject({
      kind: 'cluster',
      hosts: [
        { host: 'h1', port: 1 },
        { host: 'h2', port: 2 },
      ],
      description: 'redis+cluster://h1:1,h2:2',
    })
    expect(parseRedisUrl('rediss+cluster://h1/0')).toMatchObject({ kind: 'cluster', tls: true })
  })

  it.each([
    ['redis://host/abc', /number of a database/],
    ['redis://host/1/2', /number of a database/],
    ['redis://host/-1', /number of a database/],
    ['redis://', /hosts as name/],
    ['redis://host:0', /hosts as name/],
    ['redis://host:70000', /hosts as name/],
    ['redis://h1,h2', /one host/],
    ['redis://h:x', /hosts as name/],
    ['redis+sentinel://h1', /name that sentinels have/],
    ['redis+sentinel://h1/', /name that sentinels have/],
    ['redis+sentinel://h1/m/x', /number of a database/],
    ['redis+sentinel://h1/m/1/2', /name that sentinels have/],
    ['redis+cluster://h1/1', /only database 0/],
    ['redis+cluster://h1,/', /hosts as name/],
    ['redis://host?db=3', /without a query/],
    ['redis://:%zz@host', /%XX/],
  ])('%s is refused', (text, expected) => {
    expect(isRedisUrl(text)).toBe(true)
    expect(() => parseRedisUrl(text)).toThrow(
      expect.objectContaining({ code: 'QUEUE_URL', message: expect.stringMatching(expected) as string }) as Error,
    )
  })

  it('never repeats a password', () => {
    for (const text of ['redis+sentinel://:hunter2@h1/m/x', 'rediss+cluster://me:hunter2@h1,/', 'redis://:hunter2/?@host/abc']) {
      expect(() => parseRedisUrl(text)).toThrow(
        expect.not.objectContaining({ message: expect.stringContaining('hunter') as string }) as Error,
      )
    }
  })

  it('are told from others', () => {
    expect(['postgres://h', 'http://h', 'redis:h', 'redis+x://h'].filter(isRedisUrl)).toEqual([])
  })
})
