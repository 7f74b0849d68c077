import { errorCode } from '@layermill/core'

export interface ProblemKind {
  readonly status: number
  readonly title: string
}

/**
 * Status and title of every error code that may reach a client. A code that is not here is an internal error: the client is told its
 * request's id only, the log has the rest.
 */
export const problemKinds = {
  BODY_INVALID: { status: 400, title: 'The body cannot be read' },
  CURSOR_INVALID: { status: 400, title: 'The cursor is not one that this server gave' },
  PARAMETER_INVALID: { status: 400, title: 'A parameter is wrong' },
  REQUEST_INVALID: { status: 400, title: 'The request is malformed' },
  TOKEN_MISSING: { status: 401, title: 'A token is needed' },
  TOKEN_INVALID: { status: 401, title: 'The token is not valid' },
  ORIGIN_REFUSED: { status: 403, title: 'The request comes from another site' },
  PLACE_REFUSED: { status: 403, title: 'The server does not allow this place' },
  SCOPE_MISSING: { status: 403, title: 'The token does not allow this' },
  MODEL_NOT_REGISTERED: { status: 404, title: 'There is no such registered model or version' },
  REGISTRY_MISSING: { status: 404, title: 'This server has no registry of models' },
  ROUTE_UNKNOWN: { status: 404, title: 'There is nothing here' },
  FILE_MISSING: { status: 404, title: 'A file of the run is gone' },
  IMAGE_UNKNOWN: { status: 404, title: 'The run has no such image' },
  IMAGE_UNREADABLE: { status: 404, title: 'The image cannot be shown' },
  JOB_UNKNOWN: { status: 404, title: 'There is no such job' },
  LAYER_MISSING: { status: 404, title: 'The run has no features of this layer' },
  NOT_RECORDED: { status: 404, title: 'The run has no such results yet' },
  QUEUE_UNKNOWN: { status: 404, title: 'There is no such queue' },
  RUN_UNKNOWN: { status: 404, title: 'There is no such run' },
  SCHEDULE_UNKNOWN: { status: 404, title: 'There is no such schedule' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'The method is not allowed here' },
  REQUEST_TIMEOUT: { status: 408, title: 'The request took too long to arrive' },
  JOB_ACTIVE: { status: 409, title: 'The job is being worked on' },
  JOB_NOT_FAILED: { status: 409, title: 'The job has not failed' },
  REGISTRY_BUSY: { status: 409, title: 'The model is being changed by others' },
  REGISTRY_CONFLICT: { status: 409, title: 'The registered model is not as the request expects it' },
  ROLLBACK_IMPOSSIBLE: { status: 409, title: 'There is no version to go back to' },
  RUN_ACTIVE: { status: 409, title: 'The run is being worked on' },
  RUN_CONFLICT: { status: 409, title: 'The destination holds another run' },
  RUN_FINISHED: { status: 409, title: 'The run has ended' },
  RUN_MISSING: { status: 409, title: 'There is no earlier run at the destination' },
  SCHEDULE_EXISTS: { status: 409, title: 'A schedule of this name exists' },
  SCHEDULES_ELSEWHERE: { status: 409, title: 'The schedules are kept at another place' },
  BODY_TOO_LARGE: { status: 413, title: 'The body is too large' },
  URL_TOO_LONG: { status: 414, title: 'The URL is too long' },
  MEDIA_TYPE: { status: 415, title: 'The body is not JSON' },
  EXPECTATION_FAILED: { status: 417, title: 'The expectation is not supported' },
  ADDRESS_REFUSED: { status: 422, title: 'The host is not a public address' },
  DEVICE_UNAVAILABLE: { status: 422, title: 'The device is not there' },
  HEAD_INVALID: { status: 422, title: 'The head does not fit the layer that it goes on' },
  INPUT_SIZE: { status: 422, title: 'A layer does not allow this input size' },
  LAYER_UNKNOWN: { status: 422, title: 'The network has no such layer' },
  LIST_DUPLICATE: { status: 422, title: 'A list names the same image twice' },
  LIST_INVALID: { status: 422, title: 'A list of images has a line that cannot be read' },
  MODEL_INVALID: { status: 422, title: 'The files of the fine-tuned model cannot be understood' },
  MODEL_UNKNOWN: { status: 422, title: 'There is no such network' },
  MODEL_NAME_INVALID: { status: 422, title: 'This cannot be the name of a registered model' },
  PRECISION_UNAVAILABLE: { status: 422, title: 'The engine does not compute in this precision' },
  SOURCE_DENIED: { status: 422, title: 'The source may not be read' },
  SOURCE_EMPTY: { status: 422, title: 'The source has no images' },
  SOURCE_KIND: { status: 422, title: 'The source is of no known kind' },
  SOURCE_MISSING: { status: 422, title: 'The source is not there' },
  PREPARATION_UNKNOWN: { status: 422, title: 'There is no such preparation of this network' },
  SPEC_INVALID: { status: 422, title: 'The spec is not valid' },
  STORE_CONDITIONS: { status: 422, title: 'The store ignores conditional writes' },
  STORE_DENIED: { status: 422, title: 'The store refuses the credentials at hand' },
  STORE_MISSING: { status: 422, title: 'The bucket or folder is not there' },
  STORE_URL: { status: 422, title: 'The place is not a folder or bucket' },
  WEIGHTS_FORMAT: { status: 422, title: 'The weight file is of no known format' },
  WEIGHTS_MISMATCH: { status: 422, title: 'The weights do not fit the network' },
  WEIGHTS_NOT_FOUND: { status: 422, title: 'There is no such weight file' },
  TOO_MANY_FAILURES: { status: 429, title: 'Too many failed attempts' },
  HEADERS_TOO_LARGE: { status: 431, title: 'The headers are too large' },
  INTERNAL: { status: 500, title: 'Internal error' },
  UNAVAILABLE: { status: 503, title: 'Not available at the moment' },
} as const satisfies Record<string, ProblemKind>

export type ProblemCode = keyof typeof problemKinds

/** What fastify, its content parsers and Node's HTTP parser call the client's mistakes, and what means that queue or store are away. */
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
  QUEUE_CLOSED: 'UNAVAILABLE',
  QUEUE_FAILED: 'UNAVAILABLE',
  QUEUE_UNREACHABLE: 'UNAVAILABLE',
  SOURCE_UNREACHABLE: 'UNAVAILABLE',
  STORE_BUSY: 'UNAVAILABLE',
  STORE_FAILED: 'UNAVAILABLE',
  STORE_UNREACHABLE: 'UNAVAILABLE',
  WEIGHTS_UNAVAILABLE: 'UNAVAILABLE',
  ECONNREFUSED: 'UNAVAILABLE',
  EHOSTUNREACH: 'UNAVAILABLE',
  ENOTFOUND: 'UNAVAILABLE',
  EAI_AGAIN: 'UNAVAILABLE',
  ETIMEDOUT: 'UNAVAILABLE',
}

const isProblemCode = (code: string): code is ProblemCode => Object.hasOwn(problemKinds, code)

const byStatus: Readonly<Record<number, ProblemCode>> = { 400: 'REQUEST_INVALID', 404: 'ROUTE_UNKNOWN', 413: 'BODY_TOO_LARGE', 415: 'MEDIA_TYPE' }

function statusOf(error: unknown): number {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500
}

/** The problem code of anything thrown: its own where clients may see it, else by the status it names, else `INTERNAL`. */
export function problemCode(error: unknown): ProblemCode {
  const code = errorCode(error)
  if (isProblemCode(code)) return code
  if (Object.hasOwn(foreignCodes, code)) return foreignCodes[code] ?? 'INTERNAL'
  if (code.startsWith('HPE_')) return 'REQUEST_INVALID'
  const status = statusOf(error)
  return byStatus[status] ?? (status >= 400 && status < 500 ? 'REQUEST_INVALID' : status === 503 ? 'UNAVAILABLE' : 'INTERNAL')
}
