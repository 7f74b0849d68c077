import { type ErrorClass, errorCode, failureClass, failureTable, type ProblemCode, type ProblemKind } from '@layermill/core'

/**
 * Status and title of every error code that may reach a client, as the table of errors has them. A code that is not here is an internal
 * error: the client is told its request's id only, the log has the rest.
 */
export const problemKinds: Readonly<Record<string, ProblemKind>> = Object.fromEntries(
  Object.entries<ErrorClass>(failureTable).flatMap(([code, { http }]) => (typeof http === 'object' ? [[code, http]] : [])),
)

/** The client's mistakes by the codes of fastify, its content parsers and Node's HTTP parser. */
const foreignCodes: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'BODY_INVALID',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'BODY_INVALID',
  FST_ERR_CTP_INVALID_JSON_BODY: 'BODY_INVALID',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'MEDIA_TYPE',
  FST_ERR_BAD_URL: 'REQUEST_INVALID',
  FST_ERR_MAX_PARAM_LENGTH: 'PARAMETER_INVALID',
  FST_ERR_ASYNC_CONSTRAINT: 'REQUEST_INVALID',
  FST_ERR_VALIDATION: 'PARAMETER_INVALID',
  FST_ERR_NOT_FOUND: 'ROUTE_UNKNOWN',
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'BODY_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
}

const isProblemCode = (code: string): code is ProblemCode => Object.hasOwn(problemKinds, code)

const byStatus: Readonly<Record<number, ProblemCode>> = {
  400: 'REQUEST_INVALID',
  404: 'ROUTE_UNKNOWN',
  413: 'BODY_TOO_LARGE',
  415: 'MEDIA_TYPE',
}

function statusOf(error: unknown): number {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500
}

/** The problem code of anything thrown: its own where clients may see it, else by the status it names, else `INTERNAL`. */
export function problemCode(error: unknown): ProblemCode {
  const code = errorCode(error)
  if (isProblemCode(code)) return code
  if (failureClass(code)?.http === 'UNAVAILABLE') return 'UNAVAILABLE'
  if (Object.hasOwn(foreignCodes, code)) return foreignCodes[code] ?? 'INTERNAL'
  if (code.startsWith('HPE_')) return 'REQUEST_INVALID'
  const status = statusOf(error)
  return byStatus[status] ?? (status >= 400 && status < 500 ? 'REQUEST_INVALID' : status === 503 ? 'UNAVAILABLE' : 'INTERNAL')
}
