/** One step of the extraction benchmark: `bare`, `decode` or `run`, for a model and layer. Prints its cost as JSON. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportOnnx } from '@layermill/engines'
import { type ExtractSpec, parseSpec } from '@layermill/contracts'
import { namesOnnxFile } from '@layermill/inference'
import { getNetwork, type Network, preparedAs } from '@layermill/models'
import { loadWeights } from '@layermill/weights'
import { openRun, superviseRun } from '@layermill/orchestrator'
import { configureDecoding, prepareImage } from '@layermill/preprocess'
import { compose } from 'layermill'
import * as ort from 'onnxruntime-node'
import { type Cost, cost } from './measure.js'

const batchSize = 8
const weights = 'random:1'

/** A network by its name or by its file, as all steps see it. */
const networkOf = (model: string): Network => (namesOnnxFile(model) ? preparedAs(getNetwork('resnet50'), 'torchvision') : getNetwork(model))

/** The network's file, or the network as one, of which `use` makes what it needs. */
async function withFile<Made>(model: string, layer: string, use: (path: string) => Promise<Made>): Promise<Made> {
  if (namesOnnxFile(model)) return use(model)
  const { tensors } = await loadWeights(model, weights)
  const folder = await mkdtemp(join(tmpdir(), 'layermill-bench-'))
  try {
    await writeFile(join(folder, 'model.onnx'), exportOnnx(getNetwork(model), tensors, [layer]).model)
    return await use(join(folder, 'model.onnx'))
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** The bare ONNX Runtime loop over tensors that are ready. */
async function bare(model: string, layer: string, images: number): Promise<Cost> {
  const session = await withFile(model, layer, path =>
    ort.InferenceSession.create(path, { graphOptimizationLevel: 'all', intraOpNumThreads: availableParallelism() }),
  )
  const [height, width] = networkOf(model).inputSize
  const data = Float32Array.from({ length: batchSize * 3 * height * width }, (_, i) => (i % 251) - 120)
  const run = async (batches: number): Promise<void> => {
    for (let i = 0; i < batches; i++)
      await session.run({ [session.inputNames[0]!]: new ort.Tensor('float32', data, [batchSize, 3, height, width]) })
  }
  await run(2)
  return cost(() => run(images / batchSize))
}

/** Reading, decoding and preparing alone. */
async function decode(model: string, folder: string, images: number): Promise<Cost> {
  configureDecoding()
  const { preparation, inputSize } = networkOf(model)
  const names = (await readdir(folder)).slice(0, images)
  return cost(async () => {
    const left = names.values()
    const caller = async (): Promise<void> => {
      for (const name of left) await prepareImage(await readFile(join(folder, name)), preparation, { size: inputSize })
    }
    await Promise.all(Array.from({ length: 16 }, caller))
  })
}

/** The run itself, from files to files, embedded queue and commit records included; weights and session are warm, as on a worker. */
async function run(model: string, layer: string, folder: string): Promise<Cost> {
  const out = await mkdtemp(join(tmpdir(), 'layermill-bench-'))
  const composition = compose({ engine: 'onnx', device: 'cpu', note: text => console.error(text) })
  const { environment } = composition
  const extract = async (source: string, name: string): Promise<void> => {
    const of = namesOnnxFile(model) ? { model, prepare: 'torchvision' } : { model, weights }
    const spec = parseSpec({ kind: 'extract', source, ...of, layers: [layer], out: join(out, name), batchSize }) as ExtractSpec
    const store = await environment.openStore(spec.out)
    const { record } = await openRun(spec, store, environment)
    await superviseRun(record, { environment, store, signal: new AbortController().signal })
  }
  try {
    await extract(join(folder, '0000*.jpg'), 'warm-up')
    return await cost(() => extract(folder, 'run'))
  } finally {
    await composition.close()
    await rm(out, { recursive: true })
  }
}

const [step, model, layer, folder, images] = process.argv.slice(2) as [string, string, string, string, string]
const steps: Record<string, () => Promise<Cost>> = {
  bare: () => bare(model, layer, Number(images)),
  decode: () => decode(model, folder, Number(images)),
  run: () => run(model, layer, folder),
}
console.log(JSON.stringify(await steps[step]!()))
