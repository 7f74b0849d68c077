import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { LayermillError, redact } from '@layermill/core'
import type { ConnectionError, FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import type { Logger } from 'pino'
import type { App } from './app.js'
import { problemMediaType, toProblem } from './problem.js'
import { routeAccess } from './route-access.js'

const places: Readonly<Record<string, string>> = { params: 'path', querystring: 'query', headers: 'header', body: 'body' }

/** A failed schema as one line a field. */
function validationError(error: unknown): LayermillError | undefined {
  if (!hasZodFastifySchemaValidationErrors(error)) return undefined
  const place = places[error.validationContext ?? ''] ?? 'request'
  const lines = error.validation.slice(0, 10).map(({ instancePath, message }) => {
    const field = instancePath.slice(1).replaceAll('/', '.').slice(0, 100)
    return redact(field === '' ? `${place}: ${message}` : `${place} parameter ${field}: ${message}`)
  })
  return new LayermillError('PARAMETER_INVALID', lines.join('\n'))
}

function answer(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = toProblem(validationError(error) ?? error, request.id)
  if (problem.status >= 500) request.log.error({ err: error, code: problem.code }, 'request failed')
  else request.log.info({ code: problem.code, detail: problem.detail }, 'request refused')
  if (problem.status === 503 && !reply.hasHeader('retry-after')) reply.header('retry-after', 5)
  return reply.code(problem.status).type(problemMediaType).serializer(JSON.stringify).send(problem)
}

const routePatterns = Object.keys(routeAccess).map(route => {
  const [method = '', url = ''] = route.split(' ')
  return { method, pattern: new RegExp(`^${url.replaceAll('.', '\\.').replaceAll('*', '.+').replaceAll(/:\w+/g, '[^/]+')}$`) }
})

/** Methods that a path answers to; none for one that is not there. */
function methodsOf(url: string): string[] {
  const [path = ''] = url.split('?')
  const methods = routePatterns.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method)
  return methods.includes('GET') && !path.endsWith('/events') ? [...methods, 'HEAD'] : methods
}

/** Answers of errors, unknown paths and wrong methods: problem documents all of them. */
export function addErrorHandling(app: App): void {
  app.setErrorHandler((error, request, reply) => answer(error, request, reply))
  app.setNotFoundHandler((request, reply) => {
    const methods = methodsOf(request.url)
    // A file of the dashboard that is not there.
    if (methods.length === 0 || methods.includes(request.method))
      return answer(new LayermillError('ROUTE_UNKNOWN', 'There is nothing at this path'), request, reply)
    reply.header('allow', methods.join(', '))
    return answer(
      new LayermillError('METHOD_NOT_ALLOWED', `This path answers to ${methods.join(', ')}, not to ${request.method}`),
      request,
      reply,
    )
  })
}

/** Answers a URL that the router cannot take apart. Written past fastify's reply, which has no route here. */
export function answerBadUrl(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const problem = toProblem(
    new LayermillError(error.code === 'FST_ERR_MAX_PARAM_LENGTH' ? 'PARAMETER_INVALID' : 'REQUEST_INVALID', 'The URL is malformed'),
    request.id,
  )
  request.log.info({ code: problem.code }, 'request refused')
  const body = JSON.stringify(problem)
  reply.raw
    .writeHead(problem.status, {
      'content-type': problemMediaType,
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-request-id': request.id,
    })
    .end(body)
}

/** Answers what is not HTTP at all, and clients that take too long, and closes the connection. */
export function answerMalformed(logger: Logger): (error: ConnectionError, socket: Socket) => void {
  return (error, socket) => {
    if (error.code === 'ECONNRESET' || socket.destroyed) return
    const problem = toProblem(error, 'none')
    logger.info({ code: error.code, status: problem.status }, 'malformed request')
    const detail = problem.status >= 500 ? 'The connection failed' : 'The request is not valid HTTP'
    const body = JSON.stringify({ ...problem, detail })
    if (socket.writable) {
      socket.write(
        `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}\r\ncontent-type: ${problemMediaType}\r\n` +
          `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      )
    }
    socket.destroySoon()
  }
}
