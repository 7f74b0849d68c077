import { setTimeout as pause } from 'node:timers/promises'
import { Analysis, type AnalysisBody, AnalysisList, RunId } from '@layermill/contracts'
import { exitCodes, interruptible, LayermillError, receivedCode } from '@layermill/core'
import { ServerConnection } from '../client/server-connection.js'
import { readToken } from '../client/token.js'
import type { Output } from '../output/output.js'

/** Milliseconds between questions for the state of an analysis. */
const pollMs = 1000

/** The server that carries out an analysis. */
export interface AnalysisServer {
  readonly server: string
  readonly tokenFile: string | undefined
}

/** Refuses what only a local command does. @throws LayermillError `SPEC_INVALID` naming the first flag that is given */
export function refuseLocalFlags(given: Readonly<Record<string, boolean>>): void {
  const flag = Object.keys(given).find(name => given[name])
  if (flag !== undefined)
    throw new LayermillError('SPEC_INVALID', `${flag}: not taken with --server, which looks at a run of its own and writes into its folder`)
}

/** Settings that are given; undefined where none is. */
export function settingsOf<Settings extends object>(given: Settings): GivenSettings<Settings> | undefined {
  const named = Object.entries(given).filter(([, value]) => value !== undefined)
  return named.length === 0 ? undefined : (Object.fromEntries(named) as GivenSettings<Settings>)
}

type GivenSettings<Settings> = { [Name in keyof Settings]?: Exclude<Settings[Name], undefined> }

/** @param flag naming the argument @throws LayermillError `SPEC_INVALID` */
export function runIdOf(flag: string, text: string): string {
  const id = RunId.safeParse(text)
  if (id.success) return id.data
  throw new LayermillError(
    'SPEC_INVALID',
    `${flag}: got ${JSON.stringify(text)}, expected with --server the id of a run, as runs list gives it`,
  )
}

/**
 * Has a server carry out an analysis and waits until it has ended. Ctrl-C ends the waiting alone.
 * @param run id of a finished extraction
 * @throws LayermillError the server's own error, and that of an analysis that failed
 */
export async function submitAnalysis(
  output: Output,
  run: string,
  body: AnalysisBody,
  { server: url, tokenFile, json }: AnalysisServer & { readonly json: boolean | undefined },
): Promise<number> {
  const server = new ServerConnection(url, await readToken(tokenFile))
  const path = `/v1/runs/${encodeURIComponent(run)}/analyses`
  let analysis: Analysis = await server.json('POST', path, Analysis, JSON.stringify(body))
  await interruptible(
    async signal => {
      while (analysis.state === 'waiting' || analysis.state === 'running') {
        await pause(pollMs, undefined, { signal })
        const { analyses } = await server.json('GET', path, AnalysisList)
        const found = analyses.find(({ kind }) => kind === body.kind)
        if (found === undefined) throw new LayermillError('UNAVAILABLE', `${server.base} knows of no ${body.kind} of ${run} any more`)
        analysis = found
      }
    },
    () => output.note(`the server goes on with the ${body.kind} of ${run}`),
  )
  const { state, error, out } = analysis
  if (state === 'failed') {
    const hint = error?.hint
    const options = hint === undefined ? {} : { hint }
    throw new LayermillError(receivedCode(error?.code ?? 'UNEXPECTED'), error?.message ?? `the ${body.kind} failed`, options)
  }
  if (json === true) output.json(analysis)
  else output.line(`${body.kind} of ${run}: done, ${out}`)
  return exitCodes.done
}
