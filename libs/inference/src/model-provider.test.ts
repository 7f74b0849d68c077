import type { Engine } from '@layermill/engines'
import { getNetwork, parameterCount } from '@layermill/models'
import { expect, it } from 'vitest'
import { ModelProvider } from './model-provider.js'

const network = getNetwork('googlenet')

const networkBytes = 4 * parameterCount(network)

function setUp(handOver: boolean, keepBytes?: number) {
  const released: string[] = []
  const sessions: { handOver: boolean | undefined; tensors: number }[] = []
  let loads = 0
  const engine = {
    extractor: async (...[, weights, layers, options]: Parameters<Engine['extractor']>) => {
      sessions.push({ handOver: options?.handOver, tensors: weights.get('w')!.data.length })
      // As an engine that takes the memory.
      if (options?.handOver === true) structuredClone(0, { transfer: [weights.get('w')!.data.buffer as ArrayBuffer] })
      return { layers, release: async () => void released.push(layers.join()) }
    },
    close: async () => undefined,
  } as unknown as Engine
  const provider = new ModelProvider({
    handOver,
    ...(keepBytes === undefined ? {} : { keepBytes }),
    openEngine: async () => engine,
    load: async () => {
      loads++
      const tensors = new Map([['w', { shape: [8], data: new Float32Array(8) }]])
      return { network, weights: { tensors, variant: {}, source: '', format: 'random', sha256: 'w' }, labels: ['a'] }
    },
  })
  return { provider, sessions, released, loads: () => loads }
}

it('gives weights to the session that is made of them, and loads them again for the next', async () => {
  const { provider, sessions, loads } = setUp(true)
  await Promise.all(['pool1', 'pool2', 'pool3'].map(layer => provider.session('m', 'w', [layer])))
  expect(sessions).toEqual(Array(3).fill({ handOver: true, tensors: 8 }))
  expect(loads()).toBe(3)
  expect((await provider.outline('m', 'w')).labels).toEqual(['a'])
})

it('answers what needs no numbers without loading them again', async () => {
  const { provider, loads } = setUp(true)
  await provider.outline('m', 'w')
  await provider.session('m', 'w', ['pool1'])
  expect((await provider.outline('m', 'w')).weights).toEqual({ variant: {}, source: '', format: 'random', sha256: 'w' })
  expect(loads()).toBe(1)
})

it('leaves weights that somebody reads, or where it is not asked to', async () => {
  const { provider, sessions } = setUp(true)
  const { weights } = await provider.model('m', 'w')
  await provider.session('m', 'w', ['pool1'])
  expect(weights.tensors.get('w')!.data).toHaveLength(8)
  const kept = setUp(false)
  await kept.provider.session('m', 'w', ['pool1'])
  expect([...sessions, ...kept.sessions].map(({ handOver }) => handOver)).toEqual([false, false])
})

it('gives up sessions that nobody uses before it loads weights beyond its bytes', async () => {
  const { provider, released } = setUp(true, 2 * networkBytes)
  const session = async (model: string) => provider.session(model, 'w', [model])
  const a = await session('a')
  ;(await session('b')).done()
  // Of a file that was not loaded before nobody knows its size.
  ;(await session('c')).done()
  expect(released).toEqual(['b'])
  a.done()
  ;(await session('b')).done()
  expect(released).toEqual(['b', 'a'])
  ;(await session('c')).done()
  ;(await session('b')).done()
  // A network of a table has a size before it is loaded, and this one takes as much as is kept.
  ;(await session('vgg16')).done()
  expect(released.toSorted()).toEqual(['a', 'b', 'b', 'c'])
})
