import { describe, expect, it } from 'vitest'
import { initialiseAll, initialiseGently, initialiseWeight } from './initialise.js'
import { RandomStream, fillNormal } from '@layermill/core'
import { small } from './testing/fabricate.js'

function moments(data: Float32Array): { mean: number; deviation: number; kurtosis: number; largest: number } {
  let mean = 0
  for (const value of data) mean += value / data.length
  let square = 0
  let fourth = 0
  let largest = 0
  for (const value of data) {
    square += (value - mean) ** 2 / data.length
    fourth += (value - mean) ** 4 / data.length
    largest = Math.max(largest, Math.abs(value))
  }
  return { mean, deviation: Math.sqrt(square), kurtosis: fourth / square ** 2, largest }
}

describe('random numbers', () => {
  it('are normal where they should be, in the tails too', () => {
    const data = new Float32Array(2_000_000)
    fillNormal(data, 1, new RandomStream('tails'))
    const { mean, deviation, kurtosis, largest } = moments(data)
    expect(Math.abs(mean)).toBeLessThan(0.003)
    expect(Math.abs(deviation - 1)).toBeLessThan(0.003)
    expect(Math.abs(kurtosis - 3)).toBeLessThan(0.03)
    expect(largest).toBeGreaterThan(4.5)
    for (const [limit, share] of [
      [1, 0.317311],
      [2, 0.0455],
      [3, 0.0027],
      [3.6, 0.000318],
    ] as const) {
      const found = data.reduce((count, value) => count + (Math.abs(value) > limit ? 1 : 0), 0) / data.length
      expect(Math.abs(found - share), `beyond ${limit}`).toBeLessThan(4 * Math.sqrt(share / data.length))
    }
  })

  it('are the same for the same seed and name, and others for others', () => {
    const make = (name: string, seed: string): Float32Array => initialiseWeight('heFanIn', name, [8, 4, 3, 3], seed).data
    expect(make('a', '1')).toEqual(make('a', '1'))
    expect(make('a', '1')).not.toEqual(make('b', '1'))
    expect(make('a', '1')).not.toEqual(make('a', '2'))
    // Written down, so that a change of the generator, which would change everybody's seeds, is noticed.
    const stream = new RandomStream('layermill')
    expect([stream.next(), stream.next(), stream.next()]).toEqual([2062191942, 170552468, 965392944])
  })
})

describe('initialisation', () => {
  it('follows what each network was made with', () => {
    const large = (architecture: 'vgg16' | 'resnet50' | 'googlenet', family: 'caffe' | 'torchvision'): [number, number] => {
      const shapes = new Map([
        ['conv/W', [64, 32, 3, 3]],
        ['fc/W', [200, 300]],
        ['fc/b', [200]],
      ])
      const tensors = initialiseAll({ architecture, family }, shapes, 'x')
      return [moments(tensors.get('conv/W')!.data).deviation, moments(tensors.get('fc/W')!.data).deviation]
    }
    const expectNear = ([conv, linear]: [number, number], [convExpected, linearExpected]: [number, number]): void => {
      expect(conv / convExpected).toBeCloseTo(1, 1)
      expect(linear / linearExpected).toBeCloseTo(1, 1)
    }
    expectNear(large('vgg16', 'caffe'), [0.01, 0.01])
    expectNear(large('resnet50', 'caffe'), [Math.sqrt(2 / 288), Math.sqrt(2 / 300)])
    expectNear(large('googlenet', 'caffe'), [Math.sqrt(1 / 288), Math.sqrt(1 / 300)])
    expectNear(large('vgg16', 'torchvision'), [Math.sqrt(2 / 576), 0.01])
    expectNear(large('resnet50', 'torchvision'), [Math.sqrt(2 / 576), 1 / Math.sqrt(3 * 300)])
    expectNear(large('googlenet', 'torchvision'), [0.01, 0.01])
  })

  it('lets others run meanwhile, for the same numbers', async () => {
    const shapes = new Map([
      ['fc6/W', [1024, 512]],
      ['fc6/b', [1024]],
    ])
    const network = { architecture: 'resnet50', family: 'torchvision' } as const
    let turns = 0
    const others = setInterval(() => turns++, 0)
    const tensors = await initialiseGently(network, shapes, '3')
    clearInterval(others)
    expect(turns).toBeGreaterThan(0)
    for (const [name, { data }] of initialiseAll(network, shapes, '3')) {
      expect(Buffer.from(tensors.get(name)!.data.buffer).equals(Buffer.from(data.buffer)), name).toBe(true)
    }
  })

  it('begins batch norms as the identity and biases at nothing', () => {
    const tensors = initialiseAll({ architecture: 'resnet50', family: 'caffe' }, small.resnet50, '0')
    expect([...tensors.keys()]).toEqual([...small.resnet50.keys()])
    expect([...tensors.get('bn1/gamma')!.data]).toEqual([1, 1, 1, 1])
    expect([...tensors.get('bn1/avg_var')!.data]).toEqual([1, 1, 1, 1])
    expect([...tensors.get('bn1/avg_mean')!.data]).toEqual([0, 0, 0, 0])
    expect([...tensors.get('fc6/b')!.data]).toEqual(Array.from({ length: 7 }, () => 0))
  })
})
