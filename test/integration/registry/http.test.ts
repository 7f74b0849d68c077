import { join } from 'node:path'
import { allocateVersion, ModelRegistry } from '@layermill/orchestrator/registry'
import { openStore, type Store } from '@layermill/storage'
import { expect, it } from 'vitest'
import { runCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { bearer, startServer, tokens } from '../http/server-fixture.js'

const folder = testFolder('registry-http')

/** A registry with versions 1, the latest, and 2 of `pets`. */
async function twoVersions(store: Store): Promise<ModelRegistry> {
  const models = new ModelRegistry(store)
  for (const version of [1, 2]) {
    await allocateVersion(store, {
      name: 'pets',
      run: `run-${version}`,
      out: 'out',
      sha256: `hash ${version}`,
      created: '2026-01-02T03:04:05.000Z',
      by: 'test',
    })
    await store.put(`models/pets/versions/${version}/model.json`, '{}')
  }
  await models.promote('pets', 1, { by: 'test' })
  return models
}

it('shows models and changes their latest version, for those who may', async () => {
  const store = openStore(join(await folder(), 'registry'))
  const models = await twoVersions(store)
  const server = await startServer({ models })
  const ask = async (scope: 'read' | 'submit', path: string, body?: object): Promise<{ status: number; answer: unknown }> => {
    const sent = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
    const response = await fetch(`${server.url}/v1/models${path}`, {
      ...sent,
      headers: { ...bearer(scope), 'content-type': 'application/json' },
    })
    return { status: response.status, answer: await response.json() }
  }
  try {
    expect(await ask('read', '')).toMatchObject({ status: 200, answer: { models: [{ name: 'pets', latest: 1, versions: 2 }] } })
    expect(await ask('read', '/pets/promote', { version: 2 })).toMatchObject({ status: 403 })
    expect(await ask('submit', '/pets/promote', { version: 2, reason: 'better' })).toMatchObject({
      status: 200,
      answer: { version: 2, trail: [1], entry: { by: 'test-submit' } },
    })
    expect(await ask('submit', '/pets/rollback', { from: 1 })).toMatchObject({ status: 409, answer: { code: 'REGISTRY_CONFLICT' } })
    expect(await ask('submit', '/pets/rollback', {})).toMatchObject({ status: 200, answer: { version: 1 } })
    expect(await ask('read', '/pets')).toMatchObject({
      status: 200,
      answer: {
        details: [
          { version: 2, latest: false, complete: true },
          { version: 1, latest: true },
        ],
        history: [{ event: 'rolled-back' }, { reason: 'better' }, {}],
        uses: [],
      },
    })
    expect(await ask('submit', '/pets/promote', { version: 9 })).toMatchObject({ status: 404, answer: { code: 'MODEL_NOT_REGISTERED' } })
    expect(await ask('submit', '/pets/promote', { version: 'two' })).toMatchObject({ status: 400 })
  } finally {
    await server.close()
    await store.close()
  }
})

it('is what the commands see and change with --server', async () => {
  const store = openStore(join(await folder(), 'of-the-server'))
  const models = await twoVersions(store)
  const server = await startServer({ models })
  const command = async (scope: 'read' | 'submit', ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runCli(['models', ...args, '--server', server.url], {
      env: { LAYERMILL_TOKEN: tokens[scope], LAYERMILL_REGISTRY: '/nowhere' },
    })
    return code === 0 ? stdout : stderr
  }
  try {
    expect(await command('read', 'list')).toMatch(/pets +1 +2 /)
    expect(JSON.parse(await command('read', 'versions', 'pets', '--json'))).toMatchObject([
      { version: 2, latest: false },
      { version: 1, latest: true },
    ])
    expect(await command('read', 'promote', 'pets', '2')).toContain('[SCOPE_MISSING]')
    expect(await command('submit', 'promote', 'pets', '2', '--reason', 'sharper')).toContain('pets@latest is version 2, was 1')
    expect(await command('submit', 'rollback', 'pets')).toContain('pets@latest is version 1, was 2')
    expect(await command('read', 'history', 'pets')).toMatch(/back to 1 from 2 +test-submit[^]*2 promoted +test-submit +sharper/)
    expect(await command('read', 'history', 'dogs')).toContain('[MODEL_NOT_REGISTERED]')
    expect(await command('read', 'list', '--registry', '/elsewhere')).toContain('expected one of --server and --registry')
  } finally {
    await server.close()
    await store.close()
  }
})

it('says that a server has no registry', async () => {
  const server = await startServer()
  const response = await fetch(`${server.url}/v1/models`, { headers: bearer('read') })
  expect([response.status, await response.json()]).toMatchObject([404, { code: 'REGISTRY_MISSING' }])
  await server.close()
})
