/** ONNX files in a fleet: workers have nothing of their own, and get graph and weights from the fleet's store by their hash. */
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Fleet, succeeded } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'
import { fileHashes, readRun } from '../../helpers/results.js'
import { type CliResult, runCli } from '../../helpers/cli.js'

const folder = testFolder('fleet-onnx')
const models = fileURLToPath(new URL('../../conformance/onnx-files/models/', import.meta.url))
const prepare = ['--prepare', 'torchvision', '--part-size', '4']
let fleet: Fleet
let source = ''

beforeAll(async () => {
  source = join(await folder(), 'images')
  await writeImages(source, 12)
  fleet = await Fleet.start()
})
afterAll(() => fleet?.stop())

it('computes what one process computes, once the files are gone, and says what was computed one by one', async () => {
  const root = await folder()
  const model = join(root, 'model')
  await cp(join(models, 'hand-external-data-one-file'), model, { recursive: true })
  const wanted = ['--model', model, '--layers', 'layer1,linear', ...prepare]
  succeeded(await runCli(['extract', source, ...wanted, '--device', 'cpu', '--out', join(root, 'alone')]))

  const store = ['--weights-store', join(root, 'store')]
  const submitted = fleet.run(['extract', source, ...wanted, '--out', join(root, 'together'), '--queue', fleet.queue, ...store])
  await expect
    .poll(() =>
      readRun(join(root, 'together')).then(
        run => run.planned,
        () => false,
      ),
    )
    .toBe(true)
  await rm(model, { recursive: true })
  const worker = await fleet.worker(store, { env: { LAYERMILL_HOME: join(root, 'home') } })
  expect(await submitted.ended).toMatchObject({ code: 0 })
  expect(await fileHashes(join(root, 'together'))).toEqual(await fileHashes(join(root, 'alone')))
  expect(await readRun(join(root, 'together'))).not.toHaveProperty('oneByOne')

  const single = ['--model', join(models, 'hand-batch-statistics.onnx'), '--layers', 'y', ...prepare, '--batch-size', '4']
  const out = join(root, 'single')
  const result = succeeded(await fleet.command(['extract', source, ...single, '--out', out, '--queue', fleet.queue, ...store]))
  expect(result.stderr).toMatch(/one at a time in 3 parts: y of a batch differs/)
  expect((await readRun(out)).oneByOne).toEqual({ parts: 3, reason: expect.stringContaining('y of a batch differs') })

  worker.child.kill('SIGTERM')
  expect(await worker.ended).toMatchObject({ code: 0 })
})

it('gives the classes the names beside the file as they are now, at a worker that knows it by others', async () => {
  const root = await folder()
  const model = join(root, 'named')
  await cp(join(models, 'timm-test-resnet-dynamo-batch.onnx'), join(model, 'model.onnx'))
  const store = ['--weights-store', join(root, 'store')]
  const worker = await fleet.worker(store, { env: { LAYERMILL_HOME: join(root, 'home-named') } })
  const predict = (name: string): Promise<CliResult> =>
    fleet.command(['predict', source, '--model', model, ...prepare, '--out', join(root, `${name}.csv`), '--queue', fleet.queue, ...store])
  const written = async (name: string): Promise<string> => readFile(join(root, `${name}.csv`), 'utf8')
  succeeded(await predict('unnamed'))
  expect(await written('unnamed')).toContain('class ')
  await writeFile(join(model, 'labels.txt'), Array.from({ length: 10 }, (_, i) => `kind ${i}`).join('\n'))
  succeeded(await predict('named'))
  expect(await written('named')).toContain('kind ')
  expect(await written('named')).not.toContain('class ')
  worker.child.kill('SIGTERM')
  expect(await worker.ended).toMatchObject({ code: 0 })
})
