import { redact } from '../net/redact.js'
import { printable } from '../text/printable.js'
import pino, { type DestinationStream, type Logger } from 'pino'

const secretKeys =
  /^(?:authorization|proxy-authorization|cookie|set-cookie|token|password|secret|x-amz-security-token|aws_secret_access_key|secretaccesskey|sessiontoken)$/i

const deepest = 6

/**
 * A value to be logged, with the secrets of its texts and of fields with telling names replaced, and control characters of names written
 * out: logs are read on terminals. Errors are left to their serializer.
 */
function clean(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return printable(redact(value))
  if (typeof value !== 'object' || value === null || value instanceof Error) return value
  if (depth >= deepest) return '[deep]'
  if (Array.isArray(value)) return value.map(item => clean(item, depth + 1))
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, secretKeys.test(key) ? '***' : clean(item, depth + 1)]))
}

const cleanRecord = (record: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(record).map(([key, item]) => [key, secretKeys.test(key) ? '***' : clean(item)]))

function cleanError(error: unknown): unknown {
  return error instanceof Error ? clean(pino.stdSerializers.errWithCause(error)) : clean(error)
}

/**
 * A structured logger (one JSON object a line) that never writes credentials: userinfo and secret parameters of URLs, authorization
 * headers and fields named like a secret are replaced by `***`, in messages, fields and errors alike.
 */
export function createLogger(options: { level?: string; destination?: DestinationStream } = {}): Logger {
  const logger = pino(
    {
      level: options.level ?? 'info',
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: cleanError, error: cleanError },
      formatters: {
        level: label => ({ level: label }),
        log: cleanRecord,
      },
      hooks: {
        logMethod(args, method) {
          // An error alone takes its message from the error itself, after the serializers.
          const [first, ...rest] = args as unknown as unknown[]
          const parts: unknown[] =
            first instanceof Error && typeof rest[0] !== 'string' ? [{ err: first }, first.message, ...rest] : [first, ...rest]
          const cleaned = parts.map((part, i) => (i === 0 && typeof part === 'object' ? part : clean(part)))
          Reflect.apply(method, this, cleaned)
        },
      },
    },
    options.destination ?? pino.destination({ fd: 1, sync: false }),
  )
  return withCleanChildren(logger)
}

/** Fields of child loggers pass no formatter of pino's, so they are cleaned on their way in; children of children inherit this. */
function withCleanChildren(logger: Logger): Logger {
  const create: unknown = Reflect.get(logger, 'child')
  if (typeof create !== 'function') throw new Error('a logger without children')
  const child = function (this: Logger, bindings: Record<string, unknown>, options?: object): Logger {
    return Reflect.apply(create, this, [cleanRecord(bindings), options]) as Logger
  }
  return Object.assign(logger, { child })
}
