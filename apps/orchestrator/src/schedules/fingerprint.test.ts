import { parseSpec, type RunSpec } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { ImageSource, Store } from '@layermill/storage'
import { expect, it } from 'vitest'
import { fingerprintOf } from './fingerprint.js'

/** A listing of one image and stores whose model.json is known. */
class World {
  latest = 1
  readonly models = new Map([
    ['registry/models/pets/versions/1', 'etag-1'],
    ['registry/models/pets/versions/2', 'etag-2'],
    ['models/pets', 'etag-1'],
  ])
  readonly closed: string[] = []

  readonly registry = {
    resolve: ({ name, version }: { name: string; version: number | 'latest' }): Promise<string> =>
      name === 'pets'
        ? Promise.resolve(`registry/models/pets/versions/${version === 'latest' ? this.latest : version}`)
        : Promise.reject(new LayermillError('MODEL_NOT_REGISTERED', name)),
  }

  openSource(): Promise<ImageSource> {
    const items = async function* () {
      yield { key: 'a.png', etag: 'x', bytes: 1 }
    }
    return Promise.resolve({
      items,
      close: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    } as unknown as ImageSource)
  }

  openStore(url: string): Promise<Store> {
    const etag = this.models.get(url)
    const stat = (): Promise<{ etag: string } | undefined> => Promise.resolve(etag === undefined ? undefined : { etag })
    const close = async (): Promise<void> => void this.closed.push(url)
    return Promise.resolve({ stat, close, [Symbol.asyncDispose]: close } as unknown as Store)
  }
}

const spec = (model: string): RunSpec => parseSpec({ kind: 'extract', source: 'photos', model, out: 'features' })

it('follows what the name of a registered model means, and nothing else', async () => {
  const world = new World()
  const of = (model: string): Promise<string> => fingerprintOf(spec(model), world)
  const [latest, fixed, folder] = [await of('pets@latest'), await of('pets@1'), await of('models/pets')]
  expect(await of('pets@latest')).toBe(latest)
  world.latest = 2
  expect(await of('pets@latest')).not.toBe(latest)
  expect(await of('pets@1')).toBe(fixed)
  // A rollback leads back to what was done already.
  world.latest = 1
  expect(await of('pets@latest')).toBe(latest)
  world.models.set('models/pets', 'etag-3')
  expect(await of('models/pets')).not.toBe(folder)
  expect(await of('resnet50')).toBe(await of('resnet50'))
  expect(world.closed).toHaveLength(8)
  await expect(of('cats@latest')).rejects.toThrow(expect.objectContaining({ code: 'MODEL_NOT_REGISTERED' }))
})

it('leaves it to the submission to say that there is no registry', async () => {
  const world = new World()
  const none = { openSource: () => world.openSource(), openStore: (url: string) => world.openStore(url) }
  expect(await fingerprintOf(spec('pets@latest'), none)).toBe(await fingerprintOf(spec('pets@latest'), none))
})
