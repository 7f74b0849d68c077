import { readFile } from 'node:fs/promises'
import { exportOnnx } from '@layermill/engines'
import { getNetwork, type Preparation } from '@layermill/models'
import { referenceWeights } from '@layermill/weights'
import { prepareImage } from '@layermill/preprocess'
import * as ort from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'

interface Expected {
  preparations: {
    width: number
    height: number
    resample: Preparation['resample']
    autoOrient: boolean
    input: Omit<Preparation, 'resample'>
  }[]
  /** For each preparation: shape, sum and some values [place, value] of the tensor that the Python code made. */
  cases: { png: string; tensors: { shape: number[]; sum: number; values: [number, number][] }[] }[]
}

const folder = new URL('onnx-input/', import.meta.url)
const { preparations, cases } = JSON.parse(await readFile(new URL('expected.json', folder), 'utf8')) as Expected

describe('input of model.onnx', () => {
  it('is made by the Python code of docs/formats.md', async () => {
    const [code, page] = await Promise.all([readFile(new URL('prepare.py', folder), 'utf8'), readFile('docs/formats.md', 'utf8')])
    expect(page).toContain(`\`\`\`python\n${code}\`\`\``)
  })

  it.each(preparations.map((preparation, i) => ({ i, preparation, name: `${preparation.input.resize.kind}, ${preparation.resample}` })))(
    'is the same there and here: $i $name',
    async ({ i, preparation }) => {
      const { width, height, resample, autoOrient, input } = preparation
      for (const { png, tensors } of cases) {
        const { shape, sum, values } = tensors[i]!
        const { tensor } = await prepareImage(Buffer.from(png, 'base64'), { ...input, resample }, { size: [height, width], autoOrient })
        expect(shape).toEqual([1, 3, height, width])
        const largest = tensor.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
        for (const [place, value] of values) expect(Math.abs(tensor[place]! - value) / largest).toBeLessThan(1e-6)
        expect(Math.abs(tensor.reduce((total, value) => total + value, 0) - sum)).toBeLessThan(1e-5 * largest * tensor.length)
      }
    },
  )

  it('is described where every reader of ONNX finds it', async () => {
    const network = getNetwork('googlenet')
    const metadata = (outputs: ReadonlyMap<string, string>): Record<string, string> => ({
      'layermill.probabilities': outputs.get('prob')!,
      'layermill.classes': '["ä"]',
    })
    const { model, outputs } = exportOnnx(network, referenceWeights(network), ['prob'], { metadata })
    // A reader that knows nothing of it runs the model all the same.
    const session = await ort.InferenceSession.create(model)
    expect(session.outputNames).toEqual([outputs.get('prob')])
    await session.release()
    const text = Buffer.from(model.subarray(model.length - 200)).toString('latin1')
    expect(text).toContain('layermill.probabilities')
    expect(Buffer.from(model.subarray(model.length - 200)).includes(Buffer.from('["ä"]'))).toBe(true)
  })
})
