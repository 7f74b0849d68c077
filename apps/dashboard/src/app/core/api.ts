import type { Problem, Session } from '@layermill/contracts'
import { signal } from '@preact/signals'

const storageKey = 'layermill.token'

/** The token in use; empty where none is needed. It is kept for the tab's session only and sent in a header, never in an address. */
export const token = signal(sessionStorage.getItem(storageKey) ?? '')
export const session = signal<Session | undefined>(undefined)
/** Why a token is asked for; undefined while none is. */
export const loginReason = signal<string | undefined>(undefined)

/** An answer that is not the one hoped for. */
export class ApiError extends Error {
  constructor(readonly problem: Pick<Problem, 'detail' | 'code' | 'status' | 'hint' | 'errors'>) {
    super(problem.detail)
  }
}

function headers(more: Record<string, string> = {}): Record<string, string> {
  return token.value === '' ? more : { authorization: `Bearer ${token.value}`, ...more }
}

async function problemOf(response: Response): Promise<ApiError> {
  const fallback = { detail: `The server answered ${response.status} ${response.statusText}`, code: 'UNKNOWN', status: response.status }
  const body: unknown = await response.json().catch(() => undefined)
  const known = typeof body === 'object' && body !== null && 'detail' in body
  return new ApiError(known ? { ...fallback, ...(body as Problem) } : fallback)
}

/** A path of the API below where the page is, which a proxy may serve below any path. */
const belowPage = (path: string): string => path.replace(/^\//, '')

/**
 * Sends a request with the token. @param path as `/v1/runs` @throws ApiError for every answer that is not a success, and where there is no
 * answer.
 */
export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response
  try {
    response = await fetch(belowPage(path), { ...init, headers: headers(init.headers as Record<string, string> | undefined) })
  } catch (error) {
    if (init.signal?.aborted === true) throw error
    throw new ApiError({ detail: 'The server cannot be reached.', code: 'UNREACHABLE', status: 0 })
  }
  if (response.ok) return response
  const error = await problemOf(response)
  if (response.status === 401) loginReason.value = token.value === '' ? '' : error.problem.detail
  throw error
}

/** The JSON of an answer; its shape is the server's own, from the same sources. */
export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await send(path, { signal })).json()) as T
}

async function sendJson<T>(method: 'POST' | 'PATCH', path: string, body: unknown): Promise<T> {
  const content = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
  return (await (await send(path, { method, ...content })).json()) as T
}

export const postJson = <T>(path: string, body?: unknown): Promise<T> => sendJson('POST', path, body)
export const patchJson = <T>(path: string, body: unknown): Promise<T> => sendJson('PATCH', path, body)

/** Asks the server who the token is; on success it is kept. */
export async function openSession(candidate = token.value): Promise<void> {
  token.value = candidate
  session.value = await getJson<Session>('/v1/session')
  if (candidate !== '') sessionStorage.setItem(storageKey, candidate)
  loginReason.value = undefined
}

export function closeSession(): void {
  sessionStorage.removeItem(storageKey)
  token.value = ''
  session.value = undefined
  loginReason.value = ''
}

const order = ['read', 'submit', 'admin']

/** Whether the token allows what needs this scope. */
export function may(scope: 'read' | 'submit' | 'admin'): boolean {
  return (session.value?.scopes ?? []).some(held => order.indexOf(held) >= order.indexOf(scope))
}

/** A sentence for people of anything thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
