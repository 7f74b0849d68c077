/** Gradients of whole networks of ONNX files against PyTorch's stored ones (`testing/make.py`). */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Tensor } from '@layermill/core'
import { type FineTunedNetwork, fineTunedNetwork, learnableShapes } from '@layermill/models'
import { OnnxModel, onnxNetwork } from '@layermill/onnx'
import { type Engine, exportGraph, fileTensors, openEngine, trainabilityOf } from '../../index.js'

interface Golden {
  readonly side: number
  readonly loss: number
  readonly logits: readonly number[]
  readonly gradients: Readonly<Record<string, { readonly largest: number; readonly samples: readonly (readonly [number, number])[] }>>
}

const folder = new URL('testing/', import.meta.url)
const golden = JSON.parse(await readFile(new URL('gradients.json', folder), 'utf8')) as Record<string, Golden>
/** Largest difference in units of the largest gradient of a tensor. */
const tolerance = 1e-4
/** A tensor whose gradient is so small, in units of the network's largest, has none: rounding is all of it (biases of attention's keys). */
const nothing = 1e-6

const fill = (count: number, factor: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => ((i * factor) % 1000) / 500 - 1)

async function networkOf(name: string): Promise<FineTunedNetwork> {
  const model = await OnnxModel.open(fileURLToPath(new URL(`${name}.onnx`, folder)))
  return fineTunedNetwork(onnxNetwork(model), { layer: 'features', classes: 3 })
}

function headOf(network: FineTunedNetwork): Map<string, Tensor> {
  const [classes, count] = learnableShapes(network).get('fc/W')! as [number, number]
  const weight = { shape: [classes, count], data: fill(classes * count, 104_729).map(value => value / 5) }
  return new Map([
    ['fc/W', weight],
    ['fc/b', { shape: [classes], data: new Float32Array(classes) }],
  ])
}

const batchOf = ({ side }: Golden): { images: Tensor; labels: Int32Array } => ({
  images: { shape: [3, 3, side, side], data: fill(9 * side * side, 7919) },
  labels: Int32Array.from([0, 1, 2]),
})

let engine: Engine
beforeAll(async () => {
  engine = await openEngine({ threads: 1 })
})
afterAll(() => engine.close())

describe('a network of an ONNX file', () => {
  it.each(Object.entries(golden))("%s has PyTorch's gradients, of every tensor that learns", async (name, expected) => {
    const network = await networkOf(name)
    const trainable = [...learnableShapes(network).keys()]
    expect(new Set(trainable)).toEqual(new Set(Object.keys(expected.gradients)))
    const trainer = await engine.trainer(network, headOf(network), { trainable })
    const { loss, logits, gradients } = await trainer.gradients(batchOf(expected))
    await trainer.release()
    expect(Math.abs(loss - expected.loss) / expected.loss).toBeLessThan(1e-5)
    for (const [i, value] of expected.logits.entries()) expect(logits.data[i]).toBeCloseTo(value, 4)
    const most = Math.max(...Object.values(expected.gradients).map(({ largest }) => largest))
    for (const [tensor, { largest, samples }] of Object.entries(expected.gradients)) {
      const unit = Math.max(largest, nothing * most)
      const found = gradients.get(tensor)!.data
      const worst = Math.max(...samples.map(([at, value]) => Math.abs(found[at]! - value) / unit))
      expect(worst, tensor).toBeLessThanOrEqual(largest < nothing * most ? 1 : tolerance)
    }
  })

  it('takes new numbers, and its file with them gives the same scores in the plain runtime', async () => {
    const name = 'mobilenet-v3-torchscript'
    const network = await networkOf(name)
    const trainable = [...learnableShapes(network).keys()].slice(4)
    const trainer = await engine.trainer(network, headOf(network), { trainable })
    const batch = batchOf(golden[name]!)
    const before = await trainer.evaluate(batch)
    const parameters = new Map([...headOf(network), ...(await fileTensors(network, trainable))])
    const moved = new Map(trainable.map(tensor => [tensor, moveBy(parameters.get(tensor)!, 1.1)] as const))
    await trainer.setParameters(moved)
    const { logits } = await trainer.evaluate(batchOf(golden[name]!))
    await trainer.release()
    expect([...logits.data]).not.toEqual([...before.logits.data])
    const { model, input, outputs } = await exportGraph(network, new Map([...parameters, ...moved]))
    const session = await InferenceSession.create(model)
    const { images } = batchOf(golden[name]!)
    const results = await session.run({ [input]: new OrtTensor('float32', images.data, [...images.shape]) })
    const scores = results[outputs.get('fc')!]!.data as Float32Array
    for (const [i, value] of logits.data.entries()) expect(scores[i]).toBeCloseTo(value, 4)
    const shares = results[outputs.get('prob')!]!.data as Float32Array
    expect(shares.slice(0, 3).reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5)
    await session.release()
  })

  it('names the operators in the way, and what is no parameter', async () => {
    const models = new URL('../../../../../test/conformance/onnx-files/models/', import.meta.url)
    const model = await OnnxModel.open(fileURLToPath(new URL('hand-loop-of-halves-opset17.onnx', models)))
    const base = onnxNetwork(model)
    expect(trainabilityOf(base, 'y')).toMatchObject({ missing: ['Loop'] })
    const network = fineTunedNetwork(base, { layer: 'y', classes: 3 })
    const trainable = [...learnableShapes(network).keys()]
    await expect(engine.trainer(network, headOf(network), { trainable })).rejects.toMatchObject({
      code: 'ONNX_UNSUPPORTED',
      message: expect.stringContaining('Loop') as string,
    })
    await expect(engine.trainer(network, headOf(network), { trainable: ['nothing'] })).rejects.toMatchObject({ code: 'PARAMETER_UNKNOWN' })
  })
})

const moveBy = ({ shape, data }: Tensor, factor: number): Tensor => ({ shape, data: data.map(value => value * factor) })
