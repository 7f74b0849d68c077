import { lookup as systemLookup, type LookupAddress, type LookupOptions } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { LayermillError } from '../errors/errors.js'

/** IPv4 ranges outside the public internet (RFC 6890 and its registries). */
const privateIpv4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
]

/**
 * Services of cloud platforms at addresses of public ranges that only machines inside the platform reach: Azure's host (metadata, DNS), IBM
 * Cloud's service network, and Google's addresses for private access to its APIs.
 */
const platformIpv4 = ['168.63.129.16/32', '161.26.0.0/16', '166.8.0.0/14', '199.36.153.4/30', '199.36.153.8/30']

/** Of IPv6, what is public is the smaller part: 2000::/3 without these. Addresses that wrap an IPv4 address could reach any. */
const privateIpv6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']

function blockList(networks: readonly string[], family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits] = network.split('/')
    list.addSubnet(address, Number(bits), family)
  }
  return list
}

/**
 * Whether an address (IPv4 or IPv6, without brackets) belongs to the public internet: not private, loopback, link-local (cloud metadata is
 * there), shared, reserved, multicast or unspecified, no service of a cloud platform, nor an IPv6 form of an IPv4 address. What is no
 * address is not public.
 */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return !blockList([...privateIpv4, ...platformIpv4], 'ipv4').check(address, 'ipv4')
  if (family !== 6 || address.includes('%')) return false
  return blockList(['2000::/3'], 'ipv6').check(address, 'ipv6') && !blockList(privateIpv6, 'ipv6').check(address, 'ipv6')
}

const refused = (host: string, address: string): LayermillError =>
  new LayermillError(
    'ADDRESS_REFUSED',
    host === address ? `${host} is not a public address` : `${host} is at ${address}, which is not a public address`,
  )

/**
 * Refuses a URL whose host cannot be public: an address that is not, one with a zone, or a name that ends in a dot, which gets past
 * lists of names. To be called before connecting: nothing is resolved for these.
 * @throws LayermillError `ADDRESS_REFUSED`
 */
export function refusePrivateHost(url: URL): void {
  // URL has brought every way of writing an IPv4 address (octal, one number) into one form.
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase()
  if (isIP(host) !== 0 || host.includes('%')) {
    if (!isPublicAddress(host)) throw refused(host, host)
    return
  }
  if (host.endsWith('.')) throw new LayermillError('ADDRESS_REFUSED', `${host} ends in a dot, expected a host name without it`)
}

/**
 * A `lookup` for sockets (`http.request`, `net.connect`) that gives public addresses only: the address that was checked is the one that is
 * connected to, so that a name cannot change its mind in between (DNS rebinding). A name with any address that is not public is refused
 * with `ADDRESS_REFUSED`. Hosts that are addresses never come here: see `refusePrivateHost`.
 */
export function publicLookup(resolve: typeof systemLookup = systemLookup): LookupFunction {
  return (hostname, options, callback) => {
    const all: LookupOptions & { all: true } = { ...options, all: true }
    resolve(hostname, all, (error, addresses: LookupAddress[]) => {
      if (error !== null) return callback(error, '')
      const wrong = addresses.find(({ address }) => !isPublicAddress(address))
      if (wrong !== undefined) return callback(refused(hostname, wrong.address), '')
      const [first] = addresses
      if (first === undefined) return callback(new LayermillError('ADDRESS_REFUSED', `${hostname} has no address`), '')
      if (options.all === true) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }
}
