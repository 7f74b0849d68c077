import { BlockList, isIP } from 'node:net'
import { LayermillError } from '@layermill/core'

function loopbackAddresses(): BlockList {
  const list = new BlockList()
  list.addSubnet('127.0.0.0', 8, 'ipv4')
  list.addAddress('::1', 'ipv6')
  return list
}

/** Whether a host name or address reaches this machine only. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase()
  if (bare === 'localhost') return true
  const version = isIP(bare)
  return version !== 0 && loopbackAddresses().check(bare, version === 6 ? 'ipv6' : 'ipv4')
}

function hostOf(header: string): string | undefined {
  try {
    return new URL(`http://${header}`).hostname
  } catch {
    return undefined
  }
}

interface Headers {
  readonly host?: string
  readonly origin?: string
  readonly 'sec-fetch-site'?: string | string[]
}

/**
 * Without tokens the server trusts whoever reaches it, so pages of other sites in this machine's browser must not: neither by a name of
 * theirs that leads here (the Host is no loopback name), nor across sites.
 *
 * @param allowed origins whose pages may ask all the same
 * @throws LayermillError `ORIGIN_REFUSED`.
 */
export function refuseOtherSites({ host, origin, 'sec-fetch-site': site }: Headers, allowed: readonly string[] = []): void {
  const name = host === undefined ? undefined : hostOf(host)
  if (name === undefined || !isLoopback(name)) {
    throw new LayermillError('ORIGIN_REFUSED', 'Without tokens, only requests to localhost are answered', {
      hint: 'configure tokens to serve other names',
    })
  }
  if (origin !== undefined && allowed.includes(origin)) return
  const crossSite = typeof site === 'string' && site !== 'same-origin' && site !== 'none'
  const foreign = origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host)
  if (crossSite || foreign)
    throw new LayermillError('ORIGIN_REFUSED', 'Without tokens, requests from pages of other sites are not answered')
}

/**
 * Without tokens the server is this machine's alone, also where a proxy on it hands on what comes from others.
 *
 * @param address the client's, as a trusted proxy says it
 * @throws LayermillError `ORIGIN_REFUSED`.
 */
export function refuseOtherMachines(address: string): void {
  if (isLoopback(address.replace(/^::ffff:/i, ''))) return
  throw new LayermillError('ORIGIN_REFUSED', 'Without tokens, only requests from this machine are answered', {
    hint: 'configure tokens to serve others',
  })
}

/** @throws LayermillError `TOKENS_REQUIRED` where a server without tokens would be reachable from other machines. */
export function refuseOpenServer(host: string, tokens: number): void {
  if (tokens > 0 || isLoopback(host)) return
  throw new LayermillError('TOKENS_REQUIRED', `Without tokens the server listens on loopback only, not on ${host}`, {
    hint: 'make a token with: layermill tokens add NAME --scopes admin; or use --host 127.0.0.1',
  })
}
