/** Fine-tuning on ONNX files, from the command's first line to the file that any runtime runs. */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { beforeAll, describe, expect, it } from 'vitest'
import { OnnxModel } from '@layermill/onnx'
import { loadModel } from 'layermill'
import { runCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { filesBelow, readRun } from '../../helpers/results.js'
import { readLines, train } from './embedded.js'
import { overQueue } from './over-queue.js'
import { shapeImage, writeShapes } from './shapes.js'

const folder = testFolder('train-onnx')
const testing = new URL('../../../libs/engines/src/onnx/file/testing/', import.meta.url)
/** The preparation of an export whose images are 32x32. */
const config = { architecture: 'test', pretrained_cfg: { input_size: [3, 32, 32], crop_pct: 1, interpolation: 'bicubic' } }
let shapes = ''
let vit = ''

beforeAll(async () => {
  shapes = join(await folder(), 'shapes')
  vit = join(await folder(), 'vit')
  await writeShapes(shapes, 8)
  await mkdir(vit)
  await copyFile(new URL('vit-dynamo.onnx', testing), join(vit, 'model.onnx'))
  await writeFile(join(vit, 'config.json'), JSON.stringify(config))
})

const finetune = (out: string, ...more: string[]): string[] => [
  ...['finetune', shapes, '--model', vit, '--epochs', '2', '--batch-size', '9', '--validation', '0.25', '--device', 'cpu', '--out', out],
  ...more,
]

describe('a head on a layer of an ONNX file', () => {
  it('is trained on features, and the model is one file that predict, evaluate, loadModel and the plain runtime take', async () => {
    const out = join(await folder(), 'head')
    const result = await runCli(finetune(out, '--layer', 'norm:cls', '--head', '6', '--dropout', '0.2', '--json'))
    expect(result.code, result.stderr).toBe(0)
    const files = await filesBelow(out)
    expect(files).toEqual(expect.arrayContaining(['model.json', 'model.onnx', 'metrics.jsonl', 'report.html', '_SUCCESS']))
    expect(files).not.toContain('model.safetensors')
    expect((await readRun(out)).identity).toMatchObject({ layers: ['norm:cls'] })

    const picture = join(shapes, 'disc', '0001.png')
    const model = await loadModel(out)
    const [answer] = await model.predict([picture])
    const prepared = await model.prepare(picture)
    await model.dispose()
    const session = await InferenceSession.create(join(out, 'model.onnx'))
    const { prob } = await session.run({ input: new Tensor('float32', prepared.data, [1, ...prepared.shape]) })
    await session.release()
    const shares = [...(prob!.data as Float32Array)]
    const best = shares.indexOf(Math.max(...shares))
    expect(answer![0]!.label).toBe(['disc', 'square', 'triangle'][best])
    expect(answer![0]!.probability).toBeCloseTo(shares[best]!, 5)

    const evaluated = await runCli(['evaluate', shapes, '--model', out, '--device', 'cpu', '--json'])
    expect(evaluated.code, evaluated.stderr).toBe(0)
    expect(evaluated.stdout).toContain('triangle')
  })

  it('is judged as it is by evaluate, by the names in it, those of a file, or numbers', async () => {
    const model = new URL('../../conformance/onnx-files/models/hand-class-names-in-metadata.onnx', import.meta.url).pathname
    const prepare = ['--prepare', 'torchvision:ResNet50_Weights.IMAGENET1K_V2', '--device', 'cpu']
    const list = join(await folder(), 'names.txt')
    await writeFile(list, ['disc', 'square', 'triangle', 'none'].join('\n'))
    const known = join(await folder(), 'known')
    for (const [name, seed] of [
      ['tench', 1],
      ['3', 2],
    ] as const) {
      await mkdir(join(known, name), { recursive: true })
      await writeFile(join(known, name, 'a.png'), await shapeImage('disc', seed))
    }
    const judged = async (source: string, ...more: string[]): Promise<string[]> => {
      const { code, stdout, stderr } = await runCli(['evaluate', source, '--model', model, ...prepare, '--json', ...more])
      expect(code, stderr).toBe(0)
      const { classes } = JSON.parse(stdout.trim().split('\n').at(-1)!) as { classes: { name: string; support: number }[] }
      return classes.filter(({ support }) => support > 0).map(({ name }) => name)
    }
    expect(await judged(shapes, '--labels', list)).toEqual(['disc', 'square', 'triangle'])
    expect(await judged(known)).toEqual(['tench', 'a, b: c'])
    const unnamed = await runCli(['evaluate', shapes, '--model', model, ...prepare])
    expect(unnamed.stderr).toMatch(/has no classes disc, square, triangle.*CLASS_UNKNOWN/s)
    const missing = await runCli(['evaluate', shapes, '--model', join(await folder(), 'nothing'), '--device', 'cpu'])
    expect(missing.stderr).toMatch(/MODEL_UNKNOWN/)
    const predicted = await runCli(['predict', shapes, '--model', vit, '--device', 'cpu'])
    expect(predicted.stderr).toMatch(/model\.onnx gives no scores of classes.*LAYER_UNKNOWN/s)
  })

  it('refuses what an ONNX file cannot give', async () => {
    const out = join(await folder(), 'refused')
    const named = await runCli(finetune(out, '--export', 'chainer.npz'))
    expect(named.stderr).toMatch(/chainer\.npz.*SPEC_INVALID/s)
    const unknown = await runCli(finetune(out, '--layer', 'blocks.9'))
    expect(unknown.stderr).toContain('LAYER_UNKNOWN')
    const statistics = await runCli(finetune(out, '--base', 'full', '--batch-norm', 'batch'))
    expect(statistics.stderr).toMatch(/batchNorm.*SPEC_INVALID/s)
  })
})

describe('a base that learns', () => {
  const spec = async (): Promise<Record<string, unknown>> => ({
    ...{ model: vit, weights: 'imagenet', layer: 'norm:mean', source: shapes, base: 'full', size: undefined },
    ...{ epochs: 2, batchSize: 9, microBatch: 3, validation: 0.25, learningRate: 0.002 },
  })

  it('has the same bits over a queue as here and when it goes on, and its file holds what was learned', async () => {
    const [here, queued] = [join(await folder(), 'here'), join(await folder(), 'queued')]
    const { lines } = await train({ ...(await spec()), out: here })
    expect(lines).toHaveLength(2)
    await train({ ...(await spec()), out: queued }, overQueue())
    expect((await readFile(join(queued, 'model.onnx'))).equals(await readFile(join(here, 'model.onnx')))).toBe(true)

    const stopped = join(await folder(), 'stopped')
    const abort = new AbortController()
    const first = train({ ...(await spec()), out: stopped }, { signal: abort.signal, onEpoch: () => abort.abort() })
    await expect(first).rejects.toMatchObject({ name: 'AbortError' })
    await train({ ...(await spec()), out: stopped })
    expect((await readFile(join(stopped, 'model.onnx'))).equals(await readFile(join(here, 'model.onnx')))).toBe(true)
    expect(await readLines(stopped)).toEqual(await readLines(here))

    const norm = async (path: string): Promise<number[]> => [
      ...(await (await OnnxModel.open(join(path, 'model.onnx'))).tensor('norm.weight')).data,
    ]
    expect(await norm(here)).not.toEqual(await norm(vit))
  })

  it('learns several targets, each an output of the file', async () => {
    const [out, list] = [join(await folder(), 'mixed'), join(await folder(), 'mixed.csv')]
    const rows = ['disc', 'square', 'triangle'].flatMap((name, k) =>
      Array.from(
        { length: 8 },
        (_, i) => `shapes/${name}/${String(i).padStart(4, '0')}.png,${i % 3 === 0 ? '' : name},${i % 4 === 1 ? '' : 5 + k}`,
      ),
    )
    await writeFile(list, `path,shape,size\n${rows.join('\n')}\n`)
    const { lines } = await train({ ...(await spec()), source: list, targets: 'shape:class,size:regression', learningRate: 0.0005, out })
    expect(lines[1]!.training.loss).toBeLessThan(lines[0]!.training.loss)
    const picture = join(shapes, 'disc', '0001.png')
    const model = await loadModel(out)
    expect(model.target?.kind).toBe('mixed')
    const [answer] = await model.answers([picture])
    const prepared = await model.prepare(picture)
    await model.dispose()
    const session = await InferenceSession.create(join(out, 'model.onnx'))
    const found = await session.run({ input: new Tensor('float32', prepared.data, [1, ...prepared.shape]) })
    await session.release()
    const { shape, size } = answer!.heads!
    for (const { index, probability } of shape!.classes) expect(found['shape']!.data[index]).toBeCloseTo(probability, 5)
    expect(found['size']!.data[0]).toBeCloseTo(size!.values![0]!.value, 4)
    expect(found['prob']!.dims).toEqual([1, 4])
  })

  it('lets a table of layers learn at rates of their own, and the rest stay', async () => {
    const out = join(await folder(), 'table')
    const table = { 'blocks.0.mlp': 0.5, '*': 0 }
    await train({ ...(await spec()), base: table, epochs: 1, out })
    const plan = JSON.parse(await readFile(join(out, 'training.json'), 'utf8')) as { trainable: string[] }
    expect(plan.trainable).toHaveLength(6)
    expect(plan.trainable).toEqual(expect.arrayContaining(['blocks.0.mlp.fc1.bias', 'blocks.0.mlp.fc2.bias', 'fc/W', 'fc/b']))
    const picture = join(await folder(), 'other.png')
    await writeFile(picture, await shapeImage('square', 99))
    const predicted = await runCli(['predict', picture, '--model', out, '--device', 'cpu'])
    expect(predicted.code, predicted.stderr).toBe(0)

    // Going on without a layer keeps the head, and hardly moves it at this rate.
    const further = join(await folder(), 'further')
    await train({ ...(await spec()), layer: undefined, model: out, base: 'frozen', epochs: 1, learningRate: 1e-9, out: further })
    const [before, after] = [await OnnxModel.open(join(out, 'model.onnx')), await OnnxModel.open(join(further, 'model.onnx'))]
    const [old, weights] = [(await before.tensor('fc/W')).data, (await after.tensor('fc2/W')).data]
    expect(Math.max(...weights.map((value, i) => Math.abs(value - old[i]!)))).toBeLessThan(1e-6)
    expect(Math.max(...old.map(Math.abs))).toBeGreaterThan(1e-3)
  })
})
