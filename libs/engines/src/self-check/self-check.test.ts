import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Engine, Extractor } from '../engine.js'
import { openEngine } from '../open.js'
import { selfCheck } from './self-check.js'

let engine: Engine
beforeAll(async () => {
  engine = await openEngine()
})
afterAll(() => engine.close())

it.each(['googlenet', 'googlenet.tv', 'resnet50'])('%s agrees with the stored values', async id => {
  const { maxAbs, cosine } = await selfCheck(engine, id)
  expect(maxAbs).toBeLessThan(1e-4)
  expect(cosine).toBeGreaterThan(0.999999)
})

it('stops an engine that computes something else, and is less strict with float16', async () => {
  const off = (factor: number): Engine => ({
    ...engine,
    name: engine.name,
    device: engine.device,
    extractor: async (network, weights, layers): Promise<Extractor> => {
      const extractor = await engine.extractor(network, weights, layers)
      return {
        layers: extractor.layers,
        release: () => extractor.release(),
        [Symbol.asyncDispose]: () => extractor.release(),
        run: async images =>
          new Map(
            [...(await extractor.run(images))].map(([layer, { shape, data }]) => [
              layer,
              { shape, data: data.map(value => value * factor) },
            ]),
          ),
      }
    },
  })
  await expect(selfCheck(off(1.005), 'googlenet')).rejects.toMatchObject({ code: 'SELF_CHECK' })
  expect((await selfCheck(off(1.005), 'googlenet', { float16: true })).maxAbs).toBeGreaterThan(1e-3)
  await expect(selfCheck(off(1.02), 'googlenet', { float16: true })).rejects.toThrow(/more than 0\.01/)
})
