import { setTimeout as pause } from 'node:timers/promises'
import { errorCode, errorMessage, LayermillError } from '@layermill/core'
import type { IQueueBackend } from 'bullmq'

/**
 * Answers of a server that is there and will take commands again: a replica since a failover, one that loads its data, has no room or may
 * not write.
 */
const refusals = /\b(READONLY|LOADING|MASTERDOWN|MISCONF|NOREPLICAS|NOMASTERLINK|CLUSTERDOWN|TRYAGAIN|OOM command not allowed)\b/
/** The same of PostgreSQL: read-only since a failover, out of room or connections, shutting down or starting up. */
const sqlStates = /^(25006|53\d{3}|57P0[123])$/
/** Of these, those that a connection to another server may not get: the name or the sentinels may tell of another one by now. */
const elsewhere = /\b(READONLY|LOADING|MASTERDOWN)\b/

/** Whether a server refuses a command only for now. */
export const isRefusal = (error: unknown): boolean => refusals.test(errorMessage(error)) || sqlStates.test(errorCode(error))

/** Whether to connect anew because of an answer. */
export const isElsewhere = (error: unknown): boolean => elsewhere.test(errorMessage(error)) || errorCode(error) === '25006'

/**
 * Milliseconds before the next try, from the first one (1) on: from 100 doubled up to 5,000, each up to a half longer, so that a fleet does
 * not come all at once.
 */
export function refusalDelay(tries: number, random: () => number = Math.random): number {
  return Math.min(5000, 100 * 2 ** Math.min(tries - 1, 6)) * (1 + random() / 2)
}

export interface PatienceOptions {
  /** Told of each refusal. */
  readonly onRefused: (error: Error) => void
  /** Ends all waiting. */
  readonly signal: AbortSignal
}

/** Tries a command again for as long as the server refuses it, with backoff: what was refused was not carried out. */
export async function patiently<T>(command: () => Promise<T>, { onRefused, signal }: PatienceOptions): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await command()
    } catch (error) {
      const denied = deniedCommand(error)
      if (denied !== undefined) throw denied
      if (!isRefusal(error) || signal.aborted) throw error
      onRefused(error instanceof Error ? error : new Error(errorMessage(error)))
      await pause(refusalDelay(tries), undefined, { signal }).catch(() => {
        throw error
      })
    }
  }
}

/** A command that the server's rules (ACL) keep from this user, as an error that says so. */
export function deniedCommand(error: unknown): LayermillError | undefined {
  const text = errorMessage(error)
  if (!/\bNOPERM\b/.test(text)) return undefined
  const command = /run the '([^']+)' command/.exec(text)?.[1]
  return denied(command === undefined ? text : `the command ${command.toUpperCase().replace('|', ' ')}`)
}

export function denied(what: string, place = 'the queue'): LayermillError {
  return new LayermillError('QUEUE_DENIED', `${place}: the server's rules do not allow this user ${what}`, {
    hint: 'docs/operations.md lists what the user of a queue must be allowed: ~layermill* for keys, or ~{layermill}* on a cluster',
  })
}

/** Methods that wait by themselves: BullMQ tries them again after a while. */
const blocking = new Set(['waitForJob', 'readEvents', 'waitUntilReady', 'close', 'disconnect', 'reconnectBlocking', 'interruptBlocking'])

/**
 * A backend that rides out refusals: its commands are tried again with backoff. Asking for the next job waits once and then reports, so
 * that a worker that is closing is not held up, and does not ask thousands of times a second.
 */
export function patientBackend(backend: IQueueBackend, options: PatienceOptions): IQueueBackend {
  let refused = 0
  const next = async (ask: () => Promise<unknown>): Promise<unknown> => {
    try {
      const job = await ask()
      refused = 0
      return job
    } catch (error) {
      if (!isRefusal(error) && deniedCommand(error) === undefined) throw error
      refused += 1
      await pause(refusalDelay(refused), undefined, { signal: options.signal }).catch(() => undefined)
      throw deniedCommand(error) ?? error
    }
  }
  return new Proxy(backend, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      const method = value as (...args: unknown[]) => unknown
      return (...args: unknown[]): unknown => {
        const call = (): unknown => method.apply(target, args)
        if (name === 'moveToActive') return next(async () => call())
        const result = call()
        if (!(result instanceof Promise) || blocking.has(String(name))) return result
        // The first try is under way; others come where it is refused.
        let first: Promise<unknown> | undefined = result
        return patiently(async () => {
          const current = first ?? call()
          first = undefined
          return current
        }, options)
      }
    },
  })
}
