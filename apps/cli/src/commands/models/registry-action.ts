import { userInfo } from 'node:os'
import { LayermillError } from '@layermill/core'
import type { HistoryEntry, Latest, ModelDetail, ModelService } from '@layermill/contracts'
import { HttpModels } from '../../client/http-models.js'
import { ServerConnection } from '../../client/server-connection.js'
import { readToken } from '../../client/token.js'
import { formatTable } from '../../output/format.js'
import type { Output } from '../../output/output.js'
import { type RegistryFlags, withRegistry } from '../../registry/registry.js'

export interface RegistryOptions extends RegistryFlags {
  server?: string
  tokenFile?: string
  json?: boolean
  reason?: string
}

/** The models of a server where one is named, else those of the registry that this command reaches. */
async function withModels<Result>(options: RegistryOptions, action: (models: ModelService) => Promise<Result>): Promise<Result> {
  const { server, tokenFile, registry } = options
  if (server === undefined) return withRegistry(options, action)
  if (registry !== undefined) throw new LayermillError('SPEC_INVALID', 'expected one of --server and --registry, got both')
  return action(new HttpModels(new ServerConnection(server, await readToken(tokenFile))))
}

const day = (time: string | undefined): string => time?.slice(0, 16).replace('T', ' ') ?? ''
const percent = (share: number | undefined): string => (share === undefined ? '' : `${(share * 100).toFixed(1)}%`)

function versionNumber(text: string): number {
  const version = Number(text)
  if (Number.isInteger(version) && version > 0) return version
  throw new LayermillError('SPEC_INVALID', `version: got ${JSON.stringify(text)}, expected a whole number from 1`)
}

/** `layermill models list`: the registered models. */
export async function listModels(output: Output, options: RegistryOptions): Promise<void> {
  const models = await withModels(options, registry => registry.list())
  if (options.json) return output.json(models)
  const rows = models.map(({ name, latest, versions, promoted }) => [
    name,
    latest === undefined ? '' : String(latest),
    String(versions),
    day(promoted),
  ])
  output.line(rows.length === 0 ? 'no models' : formatTable(['model', '>latest', '>versions', 'promoted'], rows))
}

/** `layermill models versions NAME`. */
export async function listVersions(output: Output, name: string, options: RegistryOptions): Promise<void> {
  const model = await withModels(options, registry => registry.get(name))
  if (options.json) return output.json(model.details)
  const rows = model.details.map(({ version, latest, complete, evaluation, created, run, url }) => [
    `${version}${latest ? ' (latest)' : complete ? '' : ' (unfinished)'}`,
    percent(evaluation?.challenger?.accuracy),
    day(created),
    run,
    url,
  ])
  output.line(formatTable(['version', '>accuracy', 'created', 'run', 'model'], rows))
}

const sentence = ({ event, version, previous }: HistoryEntry): string => {
  if (event === 'kept') return `${version} not promoted`
  return event === 'rolled-back' ? `back to ${version} from ${previous}` : `${version} promoted`
}

/** Outputs made with other versions than the latest, and how to make them anew. */
function staleLines({ name, uses }: ModelDetail): string[] {
  const stale = uses.filter(use => use.stale)
  if (stale.length === 0) return []
  return [
    '\nmade with other versions than the latest:',
    ...stale.map(({ out, version }) => `  ${out} (version ${version})`),
    `compute them anew with the command that made them, with --update --model ${name}@latest`,
  ]
}

/** `layermill models history NAME`: who changed what when, and why. */
export async function showHistory(output: Output, name: string, options: RegistryOptions): Promise<void> {
  const model = await withModels(options, registry => registry.get(name))
  if (options.json) return output.json({ history: model.history, uses: model.uses })
  const rows = model.history.map(entry => [day(entry.time), sentence(entry), entry.by, entry.reason])
  output.line([formatTable(['time', 'version', 'by', 'why'], rows), ...staleLines(model)].join('\n'))
}

async function report(output: Output, { name, version, entry }: Latest, options: RegistryOptions): Promise<void> {
  if (options.json) return output.json(entry)
  const model = await withModels(options, registry => registry.get(name))
  output.line(
    [`${name}@latest is version ${version}${entry.previous === undefined ? '' : `, was ${entry.previous}`}`, ...staleLines(model)].join(
      '\n',
    ),
  )
}

const change = ({ reason }: RegistryOptions): { by: string; reason: string | undefined } => ({ by: userInfo().username, reason })

/** `layermill models promote NAME N`: makes a version the latest, whatever its evaluation said. */
export async function promoteModel(output: Output, name: string, version: string, options: RegistryOptions): Promise<void> {
  await report(output, await withModels(options, registry => registry.promote(name, versionNumber(version), change(options))), options)
}

/** `layermill models rollback NAME`: makes the version that was the latest before the latest again. */
export async function rollbackModel(output: Output, name: string, options: RegistryOptions): Promise<void> {
  await report(output, await withModels(options, registry => registry.rollback(name, change(options))), options)
}
