import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type FinetuneSpec, parseSpec, type RunSpec, specFields } from '@layermill/contracts'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { AllowedPlaces } from './allowed-places.js'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'layermill-places-'))
  for (const name of ['data/in', 'database', 'secret']) await mkdir(join(root, name), { recursive: true })
  await symlink(join(root, 'secret'), join(root, 'data/link'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

const refused = expect.objectContaining({ code: 'PLACE_REFUSED' }) as Error
const check = (allowed: string[], fields: Record<string, unknown>, otherwise: 'any-folder' | 'no-folder' = 'no-folder'): Promise<void> => {
  const here = { kind: 'extract', source: join(root, 'data/in'), model: 'resnet50', out: join(root, 'data/out/new') }
  return new AllowedPlaces({ allowed: allowed.map(place => place.replace('ROOT', root)), otherwise }).checkSpec(
    parseSpec({ ...here, ...fields }),
  )
}
/** A text with the test's folder in it. */
const at = (text: string): string => text.replace('ROOT', root)

it('lets specs name what is below an allowed place', async () => {
  await check(['ROOT/data'], {})
  await check(['ROOT/data/'], { source: pathToFileURL(join(root, 'data/in')).href, weights: 'random:1', model: 'pets@latest' })
  await check(['ROOT/data'], { source: 's3://any/photos/', weights: 'https://example.org/a.npz', out: at('ROOT/data') })
  await check(['/'], { out: '/etc/new' })
  await check([], {}, 'any-folder')
})

it.each([
  ['a sibling of the same beginning', { source: 'ROOT/database' }],
  ['a link out', { source: 'ROOT/data/link/x' }],
  ['up and out', { source: 'ROOT/data/../secret' }],
  ['a pattern that goes up', { source: 'ROOT/data/*/../../secret/*.jpg' }],
  ['braces that go up', { source: 'ROOT/data/{a/../../secret,b}/*.jpg' }],
  ['an encoded way up', { source: 'file://ROOT/data/%2e%2e/secret' }],
  ['a file URL', { source: 'file:///etc' }],
  ['a scheme in capitals', { source: 'FILE:///etc' }],
  ['a relative path', { source: 'photos' }],
  ['what looks like a URL', { source: 'a://../../../../etc' }],
  ['a list', { source: '/etc/hosts.csv' }],
  ['where results go', { out: '/etc/cron.d' }],
  ['weights', { weights: '/etc/shadow' }],
  ['weights by URL', { weights: 'file:///etc/shadow' }],
  ['a model', { model: '/etc/ssl' }],
  ['an ONNX file', { model: '/etc/vit.onnx' }],
  ['an ONNX file beside the server', { model: 'vit.onnx' }],
  ['fitted reductions', { kind: 'extract', reduce: 'pca:8', reduction: '/etc' }],
  ['images to leave out', { without: '/etc/list.csv' }],
  ['labels to change', { kind: 'finetune', relabel: 'ROOT/secret/audit.csv' }],
  ['held-out images', { kind: 'finetune', validation: '/etc' }],
  ['a registry', { kind: 'finetune', register: { name: 'pets', root: '/etc' } }],
  ['images to compare on', { kind: 'finetune', register: { name: 'pets', heldOut: '/etc' } }],
] as [string, Record<string, unknown>][])('refuses %s', async (_what, fields) => {
  const placed = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? at(value) : value]))
  await expect(check(['ROOT/data'], placed)).rejects.toThrow(refused)
})

it('allows no folder where none is listed, and listed buckets only where some are', async () => {
  await expect(check([], {})).rejects.toThrow(refused)
  const buckets = (source: string): Promise<void> => check(['ROOT/data', 's3://bucket/team/'], { source })
  await buckets('s3://bucket/team/photos/*.jpg')
  await buckets('S3://bucket/team')
  const model = join(root, 'models/pets/versions/1')
  const registered = { kind: 'extract', source: 's3://bucket/team/photos/', model, out: 's3://bucket/team/out' }
  const places = new AllowedPlaces({ allowed: ['s3://bucket/team'], registry: root, otherwise: 'no-folder' })
  await places.checkSpec(parseSpec(registered))
  await expect(places.checkSpec(parseSpec({ ...registered, out: model }))).rejects.toThrow(refused)
  for (const source of ['s3://bucket/teammates/', 's3://bucket/', 's3://other/team/'])
    await expect(buckets(source)).rejects.toThrow(refused)
})

it.each(['source', 'out', 'cache', 'model', 'weights', 'validation', 'root', 'heldOut'])(
  "refuses a bucket's place that goes up and out: %s",
  async field => {
    const here = {
      kind: 'finetune',
      source: 's3://bucket/team/a/',
      model: 'resnet50',
      out: 's3://bucket/team/out',
      register: { name: 'pets' },
    }
    // Specs refuse it themselves; what reaches this check in another way is refused too.
    const named = (place: string): RunSpec => {
      const spec = parseSpec(here) as FinetuneSpec
      return field === 'root' || field === 'heldOut'
        ? { ...spec, register: { ...spec.register!, [field]: place } }
        : { ...spec, [field]: place }
    }
    for (const allowed of [['s3://bucket/team'], [root]]) {
      const places = new AllowedPlaces({ allowed, registry: 's3://bucket/team/models', otherwise: 'no-folder' })
      await places.checkSpec(named('s3://bucket/team/x'))
      for (const place of ['s3://bucket/team/../others/x', 'S3://bucket/team/..'])
        await expect(places.checkSpec(named(place))).rejects.toThrow(refused)
    }
  },
)

it('says what lists below an allowed place may name elsewhere', async () => {
  const places = new AllowedPlaces({ allowed: [join(root, 'data'), 's3://bucket/team'], otherwise: 'no-folder' })
  const allows = await places.entriesOf(join(root, 'data/in/list.csv'))
  const named = [
    join(root, 'data/other/a.jpg'),
    's3://bucket/team/a.jpg',
    join(root, 'secret/a.jpg'),
    join(root, 'data/../secret/a.jpg'),
    's3://other/a.jpg',
    '/etc/a.jpg',
    's3://bucket/team/../a.jpg',
    's3://bucket/team/a/../b.jpg',
  ]
  expect(named.map(place => allows?.(place))).toEqual([true, true, false, false, false, false, false, false])
  expect((await places.entriesOf('s3://bucket/team/list.txt'))?.('s3://bucket/others/a.jpg')).toBe(false)
  expect(await places.entriesOf(join(root, 'secret/list.csv'))).toBeUndefined()
  expect(await new AllowedPlaces({ allowed: [], otherwise: 'any-folder' }).entriesOf('/etc/list.csv')).toBeUndefined()
})

it('knows of every field whether it names a place', () => {
  const places = ['source', 'out', 'model', 'weights', 'validation', 'register', 'cache', 'reduction', 'without', 'relabel']
  const others = [
    'kind',
    'labels',
    'requestPayer',
    'noSignRequest',
    'onOverflow',
    'strict',
    'split',
    'skipUnlabelled',
    'target',
    'targets',
    'labelColumns',
    'loss',
    'worst',
    'standardize',
    'sampling',
    'fold',
    'size',
    'resample',
    'decode',
    'prepare',
    'tokens',
    'requireCpu',
    'autoOrient',
    'device',
    'engine',
    'maxErrors',
    'maxBytes',
    'imageTimeout',
    'overwrite',
    'notify',
    'plan',
    'partSize',
    'batchSize',
    'precision',
    'retryFailed',
    'report',
    'cacheSize',
    'reduce',
    'center',
    'whiten',
    'l2',
    'reduceSample',
    'layers',
    'pool',
    'dtype',
    'format',
    'update',
    'selfCheck',
    'top',
    'oversample',
    'layer',
    'head',
    'dropout',
    'base',
    'batchNorm',
    'auxiliary',
    'classWeights',
    'labelSmoothing',
    'augment',
    'augmentCopies',
    'optimizer',
    'learningRate',
    'momentum',
    'beta1',
    'beta2',
    'epsilon',
    'weightDecay',
    'gradientClip',
    'schedule',
    'warmupEpochs',
    'epochs',
    'microBatch',
    'earlyStopping',
    'seed',
    'exchange',
    'checkpointSteps',
    'keepCheckpoints',
    'export',
    'requestPayer',
    'noSignRequest',
    'priority',
    'onOverflow',
  ]
  const known = new Set([...places, ...others])
  // A field that is new here: does it name what is read or written? Then allowed-places.ts must look at it.
  expect((['extract', 'predict', 'finetune'] as const).flatMap(kind => specFields(kind)).filter(field => !known.has(field))).toEqual([])
})
