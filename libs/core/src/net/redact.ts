/** A queue server's URL: everything up to the last `@`, so that a password with an unescaped `/`, `?` or `#` is caught as well. */
const serverUserinfo = /\b((?:rediss?|postgres(?:ql)?)(?:\+[a-z]{1,20})?:\/\/)\S{0,2000}@/gi
// Repetitions are bounded so that hostile text costs linear time.
const userinfo = /\b([a-z][a-z0-9+.-]{0,30}:\/\/)[^/?#\s]{0,2000}@/gi
const webQuery = /\b(https?:\/\/[^\s?#"'<>]{1,2000})\?([^\s#"'<>]*)/gi
const secretParameter = /([?&](?:x-amz-(?:signature|credential|security-token)|signature|sig|token|access_token|password|key)=)[^&#\s]*/gi

/** Parameters of a web address that say which file is meant. All others may be secrets: who names them is not known. */
const plainParameters: ReadonlySet<string> = new Set([
  'alt',
  'dl',
  'download',
  'export',
  'file',
  'filename',
  'format',
  'inline',
  'name',
  'path',
  'raw',
  'ref',
  'rev',
  'revision',
  'v',
  'version',
])

function isPlainParameter(parameter: string): boolean {
  const name = parameter.split('=', 1)[0] ?? ''
  return parameter === '' || (parameter.includes('=') && plainParameters.has(name.toLowerCase()))
}

/** A query with the value of each parameter that may be a secret replaced by `***`. */
function redactQuery(query: string): string {
  return query
    .split('&')
    .map(parameter => {
      if (isPlainParameter(parameter)) return parameter
      const name = /^([\w.~-]{1,64})=/.exec(parameter)?.[1]
      return name === undefined ? '***' : `${name}=***`
    })
    .join('&')
}

/**
 * Any text (an error's message, a URL, a log line) with what may be secret in the URLs in it replaced by `***`: the userinfo, and, of a web
 * address's query, all but the parameters that say which file is meant.
 */
export function redact(text: string): string {
  return text
    .replace(serverUserinfo, '$1***@')
    .replace(userinfo, '$1***@')
    .replace(webQuery, (_, place: string, query: string) => `${place}?${redactQuery(query)}`)
    .replace(secretParameter, '$1***')
}

/**
 * Whether a text has a URL with userinfo (`scheme://user:password@host`), or a web address whose query may hold a secret (a presigned URL,
 * a key).
 */
export function hasCredentials(text: string): boolean {
  return redact(text) !== text
}

/** The URL of a queue for messages, also of one that is mistyped: nothing of what stands before its last `@`. */
export function redactQueueUrl(url: string): string {
  const scheme = /^[a-z][a-z0-9+.-]{0,30}:\/{1,2}/i.exec(url)?.[0] ?? ''
  const at = url.lastIndexOf('@')
  return redact(at < scheme.length ? url : `${scheme}***@${url.slice(at + 1)}`)
}
