import type { lookup } from 'node:dns'
import { expect, it } from 'vitest'
import { isPublicAddress, publicLookup, refusePrivateHost } from './public-address.js'

it.each([
  '127.0.0.1',
  '127.8.9.1',
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '169.254.169.254',
  '100.64.0.1',
  '0.0.0.0',
  '224.0.0.1',
  '255.255.255.255',
  '198.18.0.1',
  '::1',
  '::',
  '::ffff:10.0.0.1',
  '::ffff:8.8.8.8',
  '64:ff9b::a00:1',
  '2002:a00:1::',
  'fe80::1',
  'fe80::1%eth0',
  'fc00::1',
  'fd00:ec2::254',
  'fd20:ce::254',
  '168.63.129.16',
  '161.26.0.10',
  '166.9.12.3',
  '199.36.153.8',
  '2a00::1%eth0',
  'ff02::1',
  '2001:db8::1',
  '2001::1',
  'localhost',
  '',
  '1.2.3',
])('%s is not public', address => {
  expect(isPublicAddress(address)).toBe(false)
})

it.each(['8.8.8.8', '172.15.0.1', '172.32.0.1', '100.128.0.1', '169.253.0.1', '2606:4700:4700::1111', '2a00:1450:4001::1'])(
  '%s is public',
  address => {
    expect(isPublicAddress(address)).toBe(true)
  },
)

it.each([
  'http://127.1/',
  'http://2130706433/',
  'http://0x7f.0.0.1/',
  'http://0177.0.0.1/',
  'https://[::1]:8443/a',
  'http://[::ffff:169.254.169.254]/',
  'http://169.254.169.254/latest',
  'http://example.org./',
  'http://metadata.google.internal./',
  'http://168.63.129.16/machine',
])('refuses %s however it is written', url => {
  expect(() => refusePrivateHost(new URL(url))).toThrow(expect.objectContaining({ code: 'ADDRESS_REFUSED' }))
})

it('lets names and public addresses pass, which are looked at when they are connected to', () => {
  expect(() => refusePrivateHost(new URL('https://example.org/'))).not.toThrow()
  expect(() => refusePrivateHost(new URL('https://8.8.8.8/'))).not.toThrow()
})

type Answer = readonly [error: unknown, address: unknown]

/** Answer to a socket that looks up a name with these addresses. */
function looked(addresses: string[], all: boolean): Promise<Answer> {
  const resolve = (_name: string, _options: unknown, done: (error: null, found: { address: string; family: number }[]) => void): void =>
    done(
      null,
      addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  return new Promise(finish => {
    publicLookup(resolve as unknown as typeof lookup)('receiver.example', { all }, (error, address) => finish([error, address]))
  })
}

it('gives a socket public addresses only', async () => {
  expect(await looked(['8.8.8.8', '2606:4700::1'], false)).toEqual([null, '8.8.8.8'])
  expect(await looked(['8.8.8.8'], true)).toEqual([null, [{ address: '8.8.8.8', family: 4 }]])
  const [error] = await looked(['8.8.8.8', '10.0.0.7'], true)
  expect(error).toMatchObject({ code: 'ADDRESS_REFUSED', message: expect.stringContaining('receiver.example is at 10.0.0.7') })
  expect((await looked([], false))[0]).toMatchObject({ code: 'ADDRESS_REFUSED' })
})
