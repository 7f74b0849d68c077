import { LayermillError, redact, redactQueueUrl } from '@layermill/core'

export interface RedisHost {
  readonly host: string
  readonly port: number
}

/** Address in a Redis URL. */
export interface RedisAddress {
  /** One server; a master that sentinels know by name; or the masters of a cluster. */
  readonly kind: 'single' | 'sentinel' | 'cluster'
  readonly tls: boolean
  /** The server, the sentinels, or some nodes of the cluster. */
  readonly hosts: readonly RedisHost[]
  /** Name of the master at the sentinels. */
  readonly name?: string
  /** Number of the database. */
  readonly database: number
  readonly username?: string
  readonly password?: string
  /** The URL without credentials. */
  readonly description: string
}

const defaultPort = { single: 6379, sentinel: 26_379, cluster: 6379 } as const

/** Whether a text is the URL of a Redis, well-formed or not. */
export function isRedisUrl(text: string): boolean {
  return /^rediss?(\+(sentinel|cluster))?:\/\//i.test(text)
}

function refuse(text: string, expected: string): never {
  throw new LayermillError('QUEUE_URL', `queue ${JSON.stringify(redactQueueUrl(text).slice(0, 200))}: expected ${expected}`)
}

function decoded(text: string, part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return refuse(text, 'user name and password with special characters as %XX')
  }
}

/** One `host`, `host:port` or `[IPv6]:port`. */
function parseHost(text: string, part: string, port: number): RedisHost {
  const match = /^(\[[0-9a-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?$/i.exec(part)
  const given = match?.[2] === undefined ? port : Number(match[2])
  if (match === null || given < 1 || given > 65_535) return refuse(text, `hosts as name or name:port, got ${JSON.stringify(redact(part))}`)
  return { host: match[1]!.replaceAll(/[[\]]/g, ''), port: given }
}

function parseDatabase(text: string, part: string): number {
  if (!/^\d{0,5}$/.test(part)) return refuse(text, `the number of a database behind the last slash, got ${JSON.stringify(redact(part))}`)
  return Number(part)
}

/** Name of the master and database of `/name` or `/name/3`. */
function parseMaster(text: string, path: string): { name: string; database: number } {
  const [name = '', database = '', ...rest] = path.split('/')
  if (name === '' || rest.length > 0)
    return refuse(text, 'the name that sentinels have for the master behind the hosts, as redis+sentinel://host1,host2/mymaster')
  return { name: decoded(text, name), database: parseDatabase(text, database) }
}

/**
 * The address that a URL names: `redis://[user:password@]host[:port][/database]`,
 * `redis+sentinel://[user:password@]host[:port],.../name[/database]` or `redis+cluster://[user:password@]host[:port],...`, each with
 * `rediss` for TLS. User and password are those of the server, not of the sentinels.
 * @throws LayermillError `QUEUE_URL` saying what was expected.
 */
export function parseRedisUrl(text: string): RedisAddress {
  const match = /^redis(s?)(?:\+(sentinel|cluster))?:\/\/(?:(.*)@)?([^/?#]*)(?:\/([^?#]*))?$/i.exec(text)
  if (match === null)
    return refuse(text, 'redis://host[:port][/database], redis+sentinel://host,host/name or redis+cluster://host,host, without a query')
  const [, secure = '', form, userinfo, hostList = '', path = ''] = match
  const kind = form === undefined ? 'single' : form.toLowerCase() === 'sentinel' ? 'sentinel' : 'cluster'
  const hosts = hostList.split(',').map(part => parseHost(text, part.trim(), defaultPort[kind]))
  if (kind === 'single' && hosts.length > 1)
    return refuse(text, 'one host; several are redis+sentinel://host,host/name or redis+cluster://host,host')
  const { name, database } = kind === 'sentinel' ? parseMaster(text, path) : { name: undefined, database: parseDatabase(text, path) }
  if (kind === 'cluster' && database !== 0) return refuse(text, 'no database: a cluster has only database 0')
  const [username, password] = credentials(text, userinfo)
  const scheme = `redis${secure.toLowerCase()}${kind === 'single' ? '' : `+${kind}`}`
  const shown = hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',')
  const tail =
    name === undefined ? (database === 0 ? '' : `/${database}`) : `/${encodeURIComponent(name)}${database === 0 ? '' : `/${database}`}`
  // As it was written, where nothing had to be taken out: a port that was left out stays so.
  const description = kind === 'single' ? `${scheme}://${hostList}${tail}` : `${scheme}://${shown}${tail}`
  return { kind, tls: secure !== '', hosts, name, database, username, password, description }
}

function credentials(text: string, userinfo: string | undefined): [username: string | undefined, password: string | undefined] {
  if (userinfo === undefined) return [undefined, undefined]
  const colon = userinfo.indexOf(':')
  const [user, password] = colon === -1 ? [userinfo, ''] : [userinfo.slice(0, colon), userinfo.slice(colon + 1)]
  return [decoded(text, user) || undefined, decoded(text, password) || undefined]
}
