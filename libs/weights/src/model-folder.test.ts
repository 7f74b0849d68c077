import { describe, expect, it } from 'vitest'
import { fineTunedNetwork, getNetwork, parameterShapes, preparedAs } from '@layermill/models'
import { type ModelFiles, modelFile, modelWeightsFile, readModelFolder, writeModelFolder } from './model-folder.js'
import { weightsIdentity } from './identity.js'
import { initialiseAll } from './initialise.js'

const network = fineTunedNetwork(getNetwork('googlenet'), {
  layer: 'conv2',
  head: [{ units: 4 }],
  classes: ['a', 'b'],
  inputSize: [32, 48],
})
const tensors = initialiseAll(network, parameterShapes(network), '3')
const model = {
  network,
  classes: ['a', 'b'],
  tensors,
  resample: 'lanczos',
  autoOrient: true,
  lineage: { run: 'x' },
  metrics: { epoch: 3 },
} as const

class Memory implements ModelFiles {
  readonly files = new Map<string, Uint8Array>()
  readonly order: string[] = []

  get(key: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.files.get(key))
  }

  put(key: string, bytes: Uint8Array | string): Promise<void> {
    this.order.push(key)
    this.files.set(key, typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes)
    return Promise.resolve()
  }

  edit(change: (description: Record<string, unknown>) => unknown): void {
    const description = JSON.parse(new TextDecoder().decode(this.files.get(modelFile))) as Record<string, unknown>
    this.files.set(modelFile, new TextEncoder().encode(JSON.stringify(change(description))))
  }
}

async function written(): Promise<Memory> {
  const files = new Memory()
  await writeModelFolder(files, model)
  return files
}

describe('a model folder', () => {
  it('gives back network, weights, labels and preparation, and is there once model.json is', async () => {
    const files = await written()
    expect(files.order).toEqual([modelWeightsFile, modelFile])
    const stored = (await readModelFolder(files, 'here'))!
    expect(stored.network.nodes).toEqual(network.nodes)
    expect(stored.network.inputSize).toEqual([32, 48])
    expect(stored.network.preparation).toEqual({ ...network.preparation, resample: 'lanczos' })
    expect(stored.labels).toEqual(['a', 'b'])
    expect([...stored.weights.tensors.keys()]).toEqual([...tensors.keys()])
    // Of all tensors, so they are the same.
    expect(stored.weights.sha256).toBe(await weightsIdentity(tensors, network.variant))
  })

  it('keeps the preparation it was trained with, whatever the base is prepared with by itself', async () => {
    const files = new Memory()
    await writeModelFolder(files, { ...model, network: preparedAs(network, 'torchvision-plain') })
    const stored = (await readModelFolder(files, 'here'))!
    expect(stored.network.preparation).toEqual({ ...getNetwork('resnet50.tv').preparation, resample: 'lanczos' })
    // A model of an earlier version says nothing of it.
    files.edit(description => ({ ...description, preparation: { height: 32, width: 48, resample: 'lanczos', autoOrient: true } }))
    expect((await readModelFolder(files, 'here'))!.network.preparation).toEqual({ ...network.preparation, resample: 'lanczos' })
  })

  it('has the same bytes for the same tensors, in whatever order', async () => {
    const [first, second] = [await written(), new Memory()]
    await writeModelFolder(second, { ...model, tensors: new Map([...tensors].toReversed()) })
    expect(Buffer.compare(second.files.get(modelWeightsFile)!, first.files.get(modelWeightsFile)!)).toBe(0)
  })

  it('is nothing where there is no model.json', async () => {
    expect(await readModelFolder(new Memory(), 'here')).toBeUndefined()
  })

  it.each([
    ['another format', () => ({ format: 'else' }), 'not a model'],
    ['a newer version', (d: Record<string, unknown>) => ({ ...d, version: 2 }), 'version 2, expected 1'],
    ['no head', (d: Record<string, unknown>) => ({ ...d, network: { base: 'googlenet', variant: {} } }), 'it has no head'],
    [
      'an unknown network',
      (d: Record<string, unknown>) => ({ ...d, network: { base: 'alexnet', variant: {} } }),
      "unknown model 'alexnet'",
    ],
    ['other classes', (d: Record<string, unknown>) => ({ ...d, classes: ['a', 'b', 'c'] }), '3 class names for 2 classes'],
    [
      'an input that is none',
      (d: Record<string, unknown>) => ({ ...d, preparation: { ...(d['preparation'] as object), input: { mean: 1 } } }),
      'expected channels, divisor',
    ],
    ['no preparation', (d: Record<string, unknown>) => ({ ...d, preparation: { height: 0 } }), 'expected height, width and resample'],
  ])('says what is wrong with %s', async (_what, change, message) => {
    const files = await written()
    files.edit(change)
    await expect(readModelFolder(files, 'here')).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining(message) as string,
    })
  })

  it('refuses weights that are missing, cut off, of another model, or changed', async () => {
    const files = await written()
    const weights = files.files.get(modelWeightsFile)!
    const reading = async (bytes: Uint8Array | undefined): Promise<unknown> => {
      if (bytes === undefined) files.files.delete(modelWeightsFile)
      else files.files.set(modelWeightsFile, bytes)
      return readModelFolder(files, 'here').catch((error: unknown) => error)
    }
    expect(await reading(undefined)).toMatchObject({ code: 'MODEL_INVALID' })
    expect(await reading(weights.subarray(0, weights.length - 4))).toMatchObject({ code: 'WEIGHTS_TRUNCATED' })
    const changed = weights.slice()
    changed[changed.length - 2]! ^= 1
    expect(await reading(changed)).toMatchObject({ code: 'WEIGHTS_HASH' })
    await expect(writeModelFolder(files, { ...model, tensors: new Map([...tensors].slice(1)) })).rejects.toMatchObject({
      code: 'WEIGHTS_MISMATCH',
    })
  })
})
