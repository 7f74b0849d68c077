import { flagCount } from '@layermill/contracts'
import { parseBasePath, parseOrigin, parseTrustedProxies, type ProxyOptions } from '../http/behind-proxy.js'

/** Flags of `serve` for a reverse proxy in front of it and for pages of other sites. */
export interface ProxyFlags {
  /** True where no addresses are named. */
  readonly trustProxy?: string | boolean
  readonly basePath?: string
  /** Seconds; true where none are named. */
  readonly hsts?: string | boolean
  readonly corsOrigin?: string[]
}

/** Proxies on this machine and in private networks: what is meant where no address is named. */
const nearbyProxies = ['loopback', 'linklocal', 'uniquelocal']
/** A year, as lists of such hosts ask for. */
const yearSeconds = 365 * 24 * 3600

/** @throws LayermillError `SPEC_INVALID` naming the flag */
export function proxyOptions({ trustProxy, basePath, hsts, corsOrigin }: ProxyFlags): ProxyOptions {
  const named = typeof trustProxy === 'string' && !/^(true|1)$/i.test(trustProxy) ? parseTrustedProxies(trustProxy) : nearbyProxies
  const origins =
    corsOrigin ??
    process.env['LAYERMILL_CORS_ORIGINS']
      ?.split(',')
      .map(text => text.trim())
      .filter(text => text !== '') ??
    []
  return {
    trustedProxies: trustProxy === undefined || trustProxy === false ? undefined : named,
    basePath: basePath === undefined ? undefined : parseBasePath(basePath),
    hstsSeconds:
      hsts === undefined || hsts === false ? undefined : hsts === true ? yearSeconds : flagCount('--hsts', hsts, 0, 10 * yearSeconds),
    corsOrigins: origins.map(parseOrigin),
  }
}
