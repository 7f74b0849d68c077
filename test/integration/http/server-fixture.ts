import { createHash } from 'node:crypto'
import { Writable } from 'node:stream'
import { dashboardFolder } from '@layermill/dashboard'
import type { Scope } from '@layermill/contracts'
import { createLogger } from '@layermill/core/log'
import { createServer, fixedTokens, Metrics, type HttpServer, type ServerOptions } from '@layermill/orchestrator'
import { MemorySchedules } from './memory-schedules.js'
import { catsOnly, emptyInspection, noAnalyses } from './memory-inspection.js'
import { MemoryFleet, MemoryRuns, memoryShelf } from './memory-services.js'

/** Tokens of the tests, by what they may do. */
export const tokens: Record<Scope, string> = { read: 'lm_reader', submit: 'lm_submitter', admin: 'lm_administrator' }

export const bearer = (scope: Scope): Record<string, string> => ({ authorization: `Bearer ${tokens[scope]}` })

export interface Fixture {
  readonly server: HttpServer
  readonly url: string
  readonly runs: MemoryRuns
  readonly fleet: MemoryFleet
  readonly metrics: Metrics
  /** Everything the server has logged. */
  log(): string
  close(): Promise<void>
}

/** A server on a free port of loopback, with a token for each scope unless `tokens` says otherwise. */
export async function startServer(options: Partial<ServerOptions> = {}): Promise<Fixture> {
  const lines: string[] = []
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString())
      done()
    },
  })
  const runs = new MemoryRuns()
  const fleet = new MemoryFleet()
  const metrics = new Metrics({ version: '9.9.9', defaults: false })
  const records = Object.entries(tokens).map(([scope, token]) => ({
    name: `test-${scope}`,
    sha256: createHash('sha256').update(token).digest('hex'),
    scopes: [scope as Scope],
  }))
  const server = await createServer({
    runs,
    shelf: memoryShelf(runs),
    fleet,
    schedules: new MemorySchedules(),
    metrics,
    host: '127.0.0.1',
    port: 0,
    version: '9.9.9',
    logger: createLogger({ destination }),
    tokens: fixedTokens(records),
    closeDeadline: 100,
    inspection: emptyInspection,
    tries: catsOnly,
    analyses: noAnalyses,
    dashboard: dashboardFolder(),
    ...options,
  })
  const url = await server.listen()
  return { server, url, runs, fleet, metrics, log: () => lines.join(''), close: () => server.close() }
}
