import { describe, expect, it } from 'vitest'
import { type Architecture, type Family, getNetwork, type NameRule, networkIds, parameterShapes } from '@layermill/models'
import { elementCount } from '@layermill/core'
import { caffeNames, kerasNames, type NameScheme, timmNames, torchvisionNames } from './scheme.js'

function rulesOf(scheme: NameScheme, architecture: Architecture, family: Family): [string, readonly number[], NameRule][] {
  const network = getNetwork(family === 'caffe' ? architecture : `${architecture}.tv`)
  return [...parameterShapes(network)].map(([name, shape]) => {
    const rule = scheme.rule(architecture, name)
    expect(rule, name).toBeDefined()
    return [name, shape, rule!]
  })
}

const sourcesOf = (rules: readonly [string, readonly number[], NameRule][]): Set<string> =>
  new Set(rules.flatMap(([, , { source, dividedBy, minus }]) => [source, dividedBy, minus].filter(name => name !== undefined)))

describe('names', () => {
  it.each([
    [caffeNames, 'caffe'],
    [kerasNames, 'caffe'],
    [torchvisionNames, 'torchvision'],
    [timmNames, 'torchvision'],
  ] as const)('every parameter has its own source (%#)', (scheme, family) => {
    const all = networkIds.filter(id => !id.endsWith('.tv')).map(id => getNetwork(id).architecture)
    const named = all.filter(architecture => scheme.has(architecture))
    expect(named.length).toBeGreaterThanOrEqual(2)
    for (const architecture of named) {
      const rules = rulesOf(scheme, architecture, family)
      expect(new Set(rules.map(([, , { source }]) => source)).size).toBe(rules.length)
    }
  })

  it.each([
    ['resnet50', 53],
    ['resnet101', 104],
    ['resnet152', 155],
  ] as const)('Caffe: %s has %i convolutions, BatchNorms and Scales, as its published layout says', (architecture, count) => {
    const layers = new Set([...sourcesOf(rulesOf(caffeNames, architecture, 'caffe'))].map(source => source.replace(/\[\d\]$/, '')))
    const matching = (pattern: RegExp): number => [...layers].filter(layer => pattern.test(layer)).length
    expect(matching(/^(res|conv1$)/)).toBe(count)
    expect(matching(/^bn/)).toBe(count)
    expect(matching(/^scale/)).toBe(count)
    expect(layers).toContain('fc1000')
    expect(layers).toContain(architecture === 'resnet50' ? 'res4f_branch2c' : 'res4b5_branch2c')
  })

  it("Caffe: GoogLeNet's numbers are as many as the published file has", () => {
    const rules = rulesOf(caffeNames, 'googlenet', 'caffe')
    expect(rules.reduce((sum, [, shape]) => sum + elementCount(shape), 0)).toBe(13_378_280)
    expect(sourcesOf(rules)).toContain('inception_4d/5x5_reduce[0]')
  })

  it("Keras: ResNet-50's numbers, the biases of its convolutions included, are as many as Keras counts", () => {
    const rules = rulesOf(kerasNames, 'resnet50', 'caffe')
    const shapes = new Map(rules.map(([name, shape]) => [name, shape]))
    let count = 0
    for (const [name, shape, { minus }] of rules) {
      expect(shapes.has(name)).toBe(true)
      count += elementCount(shape) + (minus === undefined ? 0 : elementCount(shape))
    }
    expect(count).toBe(25_636_712)
  })
})
