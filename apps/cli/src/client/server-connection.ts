import { errorMessage, hasCredentials, LayermillError, receivedCode } from '@layermill/core'
import { Problem } from '@layermill/contracts'
import type { z } from 'zod'

/** How long one request may take, in milliseconds. */
const requestTimeout = 60_000

/** A problem document as an error. */
export function problemError(body: unknown, status: number): LayermillError {
  const parsed = Problem.safeParse(body)
  if (!parsed.success)
    return new LayermillError('UNAVAILABLE', `the server answered with status ${status}, and not as layermill serve does`)
  const { code, detail, hint } = parsed.data
  return new LayermillError(receivedCode(code), detail, hint === undefined ? {} : { hint })
}

/** Requests to a `layermill serve`, with its token. */
export class ServerConnection {
  readonly base: string
  private readonly headers: Record<string, string>

  /** @throws LayermillError `SPEC_INVALID` for what is not the URL of a server. */
  constructor(url: string, token: string | undefined) {
    if (!/^https?:\/\//i.test(url) || !URL.canParse(url) || hasCredentials(url)) {
      throw new LayermillError('SPEC_INVALID', '--server: expected http://host:port or https://host without credentials', {
        hint: 'the token comes from LAYERMILL_TOKEN or --token-file',
      })
    }
    this.base = url.replace(/\/+$/, '')
    this.headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  }

  /** @throws LayermillError the server's own error, or `UNAVAILABLE` */
  async json<Schema extends z.ZodType>(method: string, path: string, schema: Schema, body?: string): Promise<z.output<Schema>> {
    const response = await this.fetch(method, path, { body, signal: AbortSignal.timeout(requestTimeout) })
    const parsed = schema.safeParse(response.status === 204 ? null : await response.json())
    if (parsed.success) return parsed.data
    throw new LayermillError('UNAVAILABLE', `${this.base} did not answer ${path} as layermill serve does`, {
      hint: 'run the same version on both sides',
    })
  }

  /** @throws LayermillError the server's own error, or `UNAVAILABLE` */
  async fetch(
    method: string,
    path: string,
    options: { body?: string; headers?: Record<string, string>; signal: AbortSignal },
  ): Promise<Response> {
    const headers = { ...this.headers, ...options.headers, ...(options.body === undefined ? {} : { 'content-type': 'application/json' }) }
    let response: Response
    try {
      response = await fetch(`${this.base}${path}`, { method, headers, body: options.body, signal: options.signal, redirect: 'error' })
    } catch (cause) {
      const reason = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause
      throw new LayermillError('UNAVAILABLE', `${this.base} cannot be reached: ${errorMessage(reason)}`, {
        cause,
        hint: 'Is layermill serve running there?',
      })
    }
    if (!response.ok) throw problemError(await response.json().catch(() => undefined), response.status)
    return response
  }
}
