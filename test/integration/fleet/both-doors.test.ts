/** Specs that cannot work are refused alike by the command line, the HTTP API and schedules. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runCli } from '../../helpers/cli.js'
import { Fleet } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'

const folder = testFolder('both-doors')
let fleet: Fleet

beforeAll(async () => {
  fleet = await Fleet.start()
})
afterAll(() => fleet.stop())

const extract = { kind: 'extract', model: 'googlenet', layers: ['conv2'], size: '32x32' }
const predict = { kind: 'predict', model: 'googlenet' }
const finetune = { kind: 'finetune', model: 'resnet50' }

/** Specs that each door is to refuse, and the code. */
const refused: readonly (readonly [spec: Readonly<Record<string, unknown>> & { readonly kind: string }, code: string])[] = [
  [{ ...extract, layers: ['conv3'] }, 'LAYER_UNKNOWN'],
  [{ ...extract, layers: ['loss3_fc'] }, 'INPUT_SIZE'],
  [{ ...extract, size: 'keep' }, 'INPUT_SIZE'],
  [{ ...extract, precision: 'int8', device: 'cuda' }, 'PRECISION_UNAVAILABLE'],
  [{ ...extract, precision: 'fp16', device: 'cpu' }, 'PRECISION_UNAVAILABLE'],
  [{ ...extract, precision: 'int8', engine: 'tfjs' }, 'SPEC_INVALID'],
  [{ ...extract, model: 'resnet51' }, 'MODEL_UNKNOWN'],
  [{ ...extract, prepare: 'timm:none' }, 'PREPARATION_UNKNOWN'],
  [{ ...predict, precision: 'fp16', device: 'cpu' }, 'PRECISION_UNAVAILABLE'],
  [{ ...predict, size: '32x32' }, 'INPUT_SIZE'],
  [{ ...predict, prepare: 'timm:none' }, 'PREPARATION_UNKNOWN'],
  [{ ...finetune, layer: 'res9' }, 'LAYER_UNKNOWN'],
  [{ ...finetune, model: 'vgg16', layer: 'fc7', size: '64x64' }, 'INPUT_SIZE'],
  [{ ...finetune, model: 'resnet51' }, 'MODEL_UNKNOWN'],
  [{ ...finetune, prepare: 'timm:none' }, 'PREPARATION_UNKNOWN'],
  [{ ...finetune, base: { res9: 0.1 } }, 'SCALE_INVALID'],
  [{ ...finetune, model: 'vgg16', batchNorm: 'batch' }, 'SPEC_INVALID'],
  [{ ...finetune, auxiliary: true }, 'SPEC_INVALID'],
]

async function post(url: string, body: unknown): Promise<unknown> {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  const { code } = (await response.json()) as { code?: unknown }
  return code
}

it('refuses the same specs with the same codes, and keeps nothing of them', async () => {
  const root = await folder()
  const source = join(root, 'photos')
  await writeImages(source, 2)
  const { url } = await fleet.serve(['--state', join(root, 'state')])
  const codes: unknown[] = []
  for (const [i, [fields]] of refused.entries()) {
    const spec = { ...fields, source, weights: 'random:1', out: join(root, fields.kind === 'predict' ? '{run}.csv' : '{run}') }
    const file = join(root, `spec-${i}.json`)
    await writeFile(file, JSON.stringify(spec))
    const [{ stderr }, posted, scheduled] = await Promise.all([
      runCli([spec.kind, '--file', file]),
      post(`${url}/v1/runs`, spec),
      post(`${url}/v1/schedules`, { name: `each-${i}`, cron: '0 3 * * *', spec }),
    ])
    codes.push([fields, /\[([A-Z_]+)\]/.exec(stderr)?.[1], posted, scheduled])
  }
  expect(codes).toEqual(refused.map(([fields, code]) => [fields, code, code, code]))
  expect(await (await fetch(`${url}/v1/runs`)).json()).toMatchObject({ runs: [] })
  expect(await (await fetch(`${url}/v1/schedules`)).json()).toMatchObject({ schedules: [] })
})
