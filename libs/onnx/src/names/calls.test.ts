/** Calls of modules in names of TorchScript's exporter, written down as it writes them. */
import { describe, expect, it } from 'vitest'
import { graphOf, node } from '../testing/graph.js'
import type { NodeDef, TensorDef } from '../types.js'
import { findFolded } from './folded.js'
import { findModules } from './modules.js'
import { LayerNames } from './resolve.js'

/** A chain of nodes of these names, each of which reads the one before. */
function found(...names: string[]): { calls: Record<string, string[]>; later: Record<string, string> } {
  const nodes = names.map((name, i) => ({
    ...node(name.split('/').at(-1)!.replace(/_\d+$/, ''), [i === 0 ? 'x' : `${names[i - 1]}_output_0`], `${name}_output_0`),
    name,
  }))
  const { modules, laterCalls } = findModules(graphOf(nodes), new Set(nodes.flatMap(({ outputs }) => outputs)))
  const calls = [...modules].map(([path, all]) => [path, all.map(({ value }) => value.replace('_output_0', ''))] as const)
  return { calls: Object.fromEntries(calls), later: Object.fromEntries(laterCalls) }
}

const block = (call: string): string[] => [`/block/conv${call}/Conv`, `/block/inner/inner.0${call}/Relu`, `/block${call}/Add`]

describe("calls of TorchScript's modules", () => {
  it('of a module around others are told by what lies between', () => {
    const { calls, later } = found(...block(''), '/other/Sigmoid', ...block('_1'), '/head/Gemm', ...block('_2'))
    expect(calls).toEqual({
      block: ['/block/Add', '/block_1/Add', '/block_2/Add'],
      'block.conv': ['/block/conv/Conv', '/block/conv_1/Conv', '/block/conv_2/Conv'],
      'block.inner': ['/block/inner/inner.0/Relu', '/block/inner/inner.0_1/Relu', '/block/inner/inner.0_2/Relu'],
      'block.inner.0': ['/block/inner/inner.0/Relu', '/block/inner/inner.0_1/Relu', '/block/inner/inner.0_2/Relu'],
      other: ['/other/Sigmoid'],
      head: ['/head/Gemm'],
    })
    expect(later).toMatchObject({ block_1: 'block#1', 'block.inner.0_2': 'block.inner.0#2' })
  })

  it('that follow each other directly are told by nodes of their own', () => {
    expect(found(...block(''), ...block('_1')).calls['block']).toEqual(['/block/Add', '/block_1/Add'])
    // Nothing is behind the own node: what comes again begins the next call.
    const first = ['/block/Mul', '/block/conv/Conv', '/block_1/Mul', '/block/conv_1/Conv']
    expect(found(...first).calls['block']).toEqual(['/block/conv/Conv', '/block/conv_1/Conv'])
  })

  it('of a part that is called twice within one call make no second call of the whole', () => {
    const { calls } = found('/block/act/Relu', '/block/conv/Conv', '/block/act_1/Relu', '/head/Gemm')
    expect(calls).toMatchObject({ block: ['/block/act_1/Relu'], 'block.act': ['/block/act/Relu', '/block/act_1/Relu'] })
  })

  it('are no calls where the operators are others', () => {
    expect(found('/norm/Div', '/norm_1/Mul').calls).toEqual({ norm: ['/norm/Div'], norm_1: ['/norm_1/Mul'] })
  })
})

describe('modules with two names', () => {
  it('are not taken for a normalisation with a convolution folded into it', () => {
    const weights = { name: 'cpe1.proj.weight', type: 1, dims: [1, 1, 1, 1] } as unknown as TensorDef
    const conv = (path: string, input: string) => ({
      ...node('Conv', [input, weights.name], `${path}/Conv_output_0`),
      name: `${path}/Conv`,
    })
    const shared = [conv('/blocks.0/cpe1/proj', 'x'), conv('/blocks.1/cpe1/proj', '/blocks.0/cpe1/proj/Conv_output_0')]
    const values = (nodes: readonly NodeDef[]) => new Set(nodes.flatMap(({ outputs }) => outputs))
    expect(findFolded(graphOf(shared, [weights]), values(shared))).toEqual([])
    const names = new LayerNames('a.onnx', graphOf(shared, [weights]), values(shared))
    const found = [{ value: '/blocks.0/cpe1/proj/Conv_output_0' }, { value: '/blocks.1/cpe1/proj/Conv_output_0' }]
    expect(names.resolve('cpe1')).toMatchObject(found)
    expect(names.resolve('cpe1.proj')).toMatchObject(found)
    const folded = [conv('/cpe1/bn', 'x')]
    expect(findFolded(graphOf(folded, [weights]), values(folded))).toMatchObject([{ path: 'cpe1.bn', named: 'normalisation' }])
  })
})
