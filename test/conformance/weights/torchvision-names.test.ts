import { readFileSync } from 'node:fs'
import { getNetwork, parameterShapes } from '@layermill/models'
import { torchvisionKey } from '@layermill/weights'
import { describe, expect, it } from 'vitest'

/** Every key and shape of torchvision's models, in its order. */
const stateDicts = JSON.parse(readFileSync(new URL('./state-dicts.json', import.meta.url), 'utf8')) as Record<
  string,
  Record<string, number[]>
>

describe("torchvision's state dicts", () => {
  it.each(Object.keys(stateDicts))('%s has exactly the keys and shapes that its weights are read from and written to', architecture => {
    const network = getNetwork(`${architecture}.tv`)
    const ours = [...parameterShapes(network)].map(([name, shape]) => [torchvisionKey(network.architecture, name), [...shape]])
    const theirs = Object.entries(stateDicts[architecture]!).filter(([key]) => !key.endsWith('.num_batches_tracked'))
    const byKey = (a: unknown[], b: unknown[]): number => (String(a[0]) < String(b[0]) ? -1 : 1)
    expect(ours.toSorted(byKey)).toEqual(theirs.toSorted(byKey))
  })
})
