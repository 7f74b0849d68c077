import type { Completion } from '../../command/command.js'

/** Flags and arguments before the cursor. */
export interface Given {
  readonly values: ReadonlyMap<string, string>
  /** Arguments. */
  readonly given: readonly string[]
}

/** Milliseconds that a server or registry may take: nobody waits longer for the tab key. */
const patienceMs = 1500

/** Resolves with nothing where it takes too long or fails. */
async function inTime(words: Promise<string[]>): Promise<string[]> {
  const { withDeadline } = await import('@layermill/core')
  return withDeadline(
    words.catch(() => []),
    patienceMs,
    () => [],
  )
}

async function networks(): Promise<string[]> {
  return [...(await import('@layermill/models')).networkIds]
}

/** Layers of the network that --model names; of a run, where --features names one. */
async function layers({ values }: Given): Promise<string[]> {
  const { getNetwork, networkIds } = await import('@layermill/models')
  const model = values.get('--model')
  if (model !== undefined && networkIds.includes(model)) return [...getNetwork(model).layers.keys()]
  const run = values.get('--features')
  if (run === undefined) return []
  const { readFile } = await import('node:fs/promises')
  const record = JSON.parse(await readFile(`${run.replace(/\/+$/, '')}/run.json`, 'utf8')) as { layers?: { name: string }[] }
  return record.layers?.map(({ name }) => name) ?? []
}

async function connection({ values }: Given) {
  const server = values.get('--server')
  if (server === undefined) return undefined
  const [{ ServerConnection }, { readToken }] = await Promise.all([
    import('../../client/server-connection.js'),
    import('../../client/token.js'),
  ])
  return new ServerConnection(server, await readToken(values.get('--token-file')))
}

/** Names in the registry of the command line, of its server, or of LAYERMILL_REGISTRY. */
async function registered(given: Given): Promise<string[]> {
  const server = await connection(given)
  const { withRegistry } = await import('../../registry/registry.js')
  const models =
    server === undefined
      ? await withRegistry({ registry: given.values.get('--registry') }, registry => registry.list())
      : await new (await import('../../client/http-models.js')).HttpModels(server).list()
  return models.map(({ name }) => name)
}

/** Schedules of a `layermill serve` of this machine, where it keeps them by default. */
async function localSchedules(): Promise<string[]> {
  const [{ readdir }, { layermillHome }] = await Promise.all([import('node:fs/promises'), import('@layermill/core')])
  const names = await readdir(`${layermillHome()}/state/schedules`)
  return names.flatMap(name => /^([a-z0-9-]+)\.json$/.exec(name)?.[1] ?? [])
}

async function schedules(given: Given): Promise<string[]> {
  const server = await connection(given)
  if (server === undefined) return localSchedules()
  return (await new (await import('../../client/http-schedules.js')).HttpSchedules(server).list()).map(({ name }) => name)
}

async function runs({ values }: Given): Promise<string[]> {
  const server = values.get('--server')
  if (server === undefined) return []
  const [{ HttpRunClient }, { readToken }] = await Promise.all([import('../../client/http-client.js'), import('../../client/token.js')])
  const page = await new HttpRunClient(server, await readToken(values.get('--token-file'))).list({
    state: undefined,
    kind: undefined,
    cursor: undefined,
    limit: 50,
  })
  return page.runs.map(({ id }) => id)
}

async function tokens({ values }: Given): Promise<string[]> {
  const { defaultTokensFile, readTokens } = await import('@layermill/orchestrator/tokens')
  return (await readTokens(values.get('--tokens-file') ?? defaultTokensFile())).map(({ name }) => name)
}

/** Words of a kind that are found on this machine, or at the server or registry that the command line names. */
export async function dynamicWords(kind: Completion, given: Given): Promise<string[]> {
  switch (kind) {
    case 'network':
      return networks()
    case 'model':
      return [...(await networks()), ...(await inTime(registered(given))).map(name => `${name}@latest`)]
    case 'layer':
    case 'layers':
      return inTime(layers(given))
    case 'registered':
      return inTime(registered(given))
    case 'schedule':
      return inTime(schedules(given))
    case 'run':
      return inTime(runs(given))
    case 'token':
      return inTime(tokens(given))
    default:
      return []
  }
}
