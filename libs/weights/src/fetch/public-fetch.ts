import type { LookupFunction } from 'node:net'
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { Readable } from 'node:stream'
import { LayermillError, publicLookup, refusePrivateHost } from '@layermill/core'

/** Redirects that are followed, as browsers do. */
const mostRedirects = 20
const redirects = new Set([301, 302, 303, 307, 308])
const withoutBody = new Set([204, 205, 304])

/** One request, on a connection of its own: none that was made under other rules. */
function send(url: URL, options: RequestOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, { ...options, agent: false }, resolve)
    request.on('error', reject)
    request.end()
  })
}

/** URL that an answer redirects to; undefined for one that does not redirect. */
function target(response: IncomingMessage, from: URL): URL | undefined {
  const { location } = response.headers
  if (!redirects.has(response.statusCode ?? 0) || location === undefined) return undefined
  const next = new URL(location, from)
  if (next.protocol === 'http:' || next.protocol === 'https:') return next
  throw new LayermillError('ADDRESS_REFUSED', `${from.host} sends on to ${next.protocol}, expected http: or https:`)
}

function answerOf(response: IncomingMessage): Response {
  const headers = new Headers()
  for (const [name, value] of Object.entries(response.headers)) if (value !== undefined) headers.set(name, [value].flat().join(', '))
  const status = response.statusCode ?? 0
  if (withoutBody.has(status)) response.resume()
  const body = withoutBody.has(status) ? null : (Readable.toWeb(response) as ReadableStream<Uint8Array>)
  return new Response(body, { status, headers })
}

/**
 * A GET by http(s) that connects to public addresses only, for URLs that others give: checked for every connection, those of redirects
 * included, on the address that is connected to. Takes the `headers` and the `signal` of `fetch`.
 * @param lookup resolves names; for tests
 * @throws LayermillError `ADDRESS_REFUSED`; what the network throws; the signal's reason
 */
export function publicFetch(lookup: LookupFunction = publicLookup()): typeof fetch {
  return async (input, init = {}) => {
    let url = new URL(input instanceof Request ? input.url : input)
    const headers = Object.fromEntries(new Headers(init.headers))
    for (let count = 0; count <= mostRedirects; count++) {
      refusePrivateHost(url)
      const response = await send(url, { headers, lookup, ...(init.signal ? { signal: init.signal } : {}) })
      let next: URL | undefined
      try {
        next = target(response, url)
      } catch (error) {
        response.destroy()
        throw error
      }
      if (next === undefined) return answerOf(response)
      response.destroy()
      url = next
    }
    throw new LayermillError('ADDRESS_REFUSED', `${url.host} redirects more than ${mostRedirects} times`)
  }
}
