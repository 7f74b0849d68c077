import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type FeatureMap, RunDetail, type RunEvaluation, RunPage } from '@layermill/contracts'
import { allocateVersion, readVersions } from '@layermill/orchestrator/registry'
import { openStore } from '@layermill/storage'
import { writeSampleImages } from 'layermill/sample-images'
import type { Browser } from 'playwright-core'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { desktop, startBrowser, WatchedPage } from '../../helpers/browser.js'
import { runCli } from '../../helpers/cli.js'
import { Fleet } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'

const folder = testFolder('dashboard-results')
let fleet: Fleet
let browser: Browser
let watched: WatchedPage
let url: string
let source: string

/** A class with a name that is longer than most places for it. */
const longName = 'landscape with far hills, a low sun and its long reflection on the water in the evening'

/** The demo's pictures and pieces of them in a folder for each of their groups, with one file that is no picture. */
async function writeDataset(root: string, target: string): Promise<void> {
  for (const file of await writeSampleImages(join(root, 'samples'))) {
    const place = join(target, basename(file).replace(/-.*/, ''))
    await mkdir(place, { recursive: true })
    for (const [i, left] of [0, 60, 120].entries()) {
      const name = basename(file).replace(/\.\w+$/, `-${i}.jpg`)
      await sharp(file)
        .extract({ left, top: left / 2, width: 270, height: 270 })
        .jpeg({ quality: 88 })
        .toFile(join(place, name))
    }
  }
  await writeFile(join(target, 'disc', 'broken.jpg'), 'this is no picture')
}

beforeAll(async () => {
  const root = await folder()
  source = join(root, 'data', 'shapes')
  await writeDataset(root, source)
  fleet = await Fleet.start()
  const [server, started] = await Promise.all([
    fleet.serve(['--registry', join(root, 'registry')], { env: { LAYERMILL_HOME: join(root, 'home') } }),
    startBrowser(),
    fleet.worker(),
  ])
  url = server.url
  browser = started
  watched = await WatchedPage.open(browser, url)
})

afterAll(async () => {
  await browser?.close()
  await fleet?.stop()
})

async function submit(spec: Record<string, unknown>): Promise<string> {
  const response = await fetch(`${url}/v1/runs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ source, weights: 'random:1', device: 'cpu', ...spec }),
  })
  const run = (await response.json()) as { id?: string }
  expect(run).toMatchObject({ state: 'planning' })
  return run.id ?? ''
}

it('shows failures with reasons, a map of features, and what is near an image', async () => {
  const { page } = watched
  const id = await submit({
    kind: 'extract',
    model: 'googlenet',
    layers: 'conv2,pool5',
    size: '224x224',
    partSize: 8,
    maxErrors: 2,
    report: true,
    out: join(await folder(), 'data', 'features'),
  })
  await watched.goto(`/#/runs/${id}`)
  await page.getByRole('heading', { name: /done/ }).waitFor()
  await page.getByRole('img', { name: /10 of 10 parts are committed/ }).waitFor()
  const phases = page.getByRole('region', { name: 'Images a second by worker and phase' })
  await phases.waitFor()
  expect(await phases.getByRole('columnheader').allTextContents()).toEqual(['Worker', 'Images/s', 'read', 'decode', 'compute', 'write'])
  expect(await phases.getByRole('cell').allTextContents()).toEqual(
    Array.from({ length: 5 }, () => expect.stringMatching(/^([\d.,]+|–)( \d+%)?$/) as string),
  )
  const told = RunDetail.parse(await (await fetch(`${url}/v1/runs/${id}`)).json()).phases
  expect(told?.[0]?.images).toBeGreaterThan(0)
  expect(await watched.checkScreens('overview')).toEqual([])
  await page.getByRole('link', { name: 'Failures (1)' }).click()
  await page.getByText('disc/broken.jpg').waitFor()
  await page.getByRole('img', { name: 'The image cannot be shown' }).waitFor()
  expect(await watched.checkScreens('failures')).toEqual([])

  await page.getByRole('link', { name: 'Features' }).click()
  await page.getByText('Near each other means alike').waitFor()
  const map = page.getByRole('application')
  await map.focus()
  await page.keyboard.press('ArrowRight')
  await page.locator('.look img').waitFor()
  await page.keyboard.press('Enter')
  await expect.poll(() => page.locator('.neighbours img').count()).toBe(12)
  // Pieces of one picture are nearest to each other.
  const kind = /^\w+/.exec((await page.locator('.look .mono').textContent()) ?? '')?.[0]
  expect(await page.locator('.neighbours .mono').first().textContent()).toContain(kind)
  expect(await watched.checkScreens('features')).toEqual([])
  // The README's picture.
  await map.blur()
  await watched.screen({ theme: 'light', width: 1280, height: 1000 })
  await watched.screenshot('readme')
  await page.getByRole('button', { name: 'Compare the layers' }).click()
  await page.getByRole('img', { name: /^Accuracy against bytes of an image: .*conv2 [\d.]+% at 2\.4 MB/ }).waitFor()
  expect(await watched.checkScreens('layers')).toEqual([])
  await page.getByLabel('Find images on the map').fill('stripe')
  await page.getByText('18 found.').waitFor()
  await page.getByLabel('Find images on the map').fill('')
  await page.getByLabel('Colour by').selectOption('cluster')
  await page.getByText('cluster 1', { exact: true }).waitFor()
  await watched.screen({ theme: 'light', ...desktop })
  await page.getByRole('button', { name: 'Lasso' }).click()
  const { x, y, width, height } = (await map.boundingBox())!
  // Within the map's rounded corners, outside of which nothing is pressed.
  const corners = [
    [12, 4],
    [width - 60, 4],
    [width - 60, height - 4],
    [12, height - 4],
  ] as const
  await page.mouse.move(x + 12, y + 4)
  await page.mouse.down()
  for (const [right, down] of corners) await page.mouse.move(x + right, y + down, { steps: 4 })
  await page.mouse.up()
  await page.getByLabel('As a class of its own').fill('shapes, all')
  const download = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Save as a list' }).click()
  const list = (await readFile(await (await download).path(), 'utf8')).trim().split('\n')
  expect(list.length).toBeGreaterThan(20)
  expect(list.slice(0, 2)).toEqual(['path,label', expect.stringMatching(/^\/.*\/shapes\/\w+\/[\w-]+\.jpg,"shapes, all"$/)])
  expect(await watched.checkScreens('lasso')).toEqual([])
  await page.getByRole('combobox', { name: 'Layer' }).selectOption('conv2')
  await expect.poll(() => page.getByLabel('As a class of its own').count()).toBe(0)
  await page.getByText('Near each other means alike').waitFor()
  // A layer with places in the picture: its channels over it, and which of them tell the classes apart.
  await map.focus()
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('Enter')
  await expect.poll(() => page.locator('.channel img').count()).toBe(8)
  await page.getByRole('button', { name: 'Compare the classes' }).click()
  const differences = page.getByRole('region', { name: 'Channels in which classes differ' })
  await expect.poll(() => differences.getByRole('rowheader').allTextContents()).toEqual(['checkerboard', 'disc', 'landscape', 'stripe'])
  expect(await watched.checkScreens('channels')).toEqual([])
})

it('has room for classes with long names', async () => {
  const { page } = watched
  await page.route('**/map?*', async route => {
    const response = await route.fetch()
    const map = (await response.json()) as FeatureMap
    await route.fulfill({ response, json: { ...map, names: map.names?.map((name, i) => (i === 0 ? longName : name)) } })
  })
  await page.reload()
  await page.locator('.groups').getByText(longName).waitFor()
  expect(await watched.checkScreens('map-long-name', true)).toEqual([])
  await page.unroute('**/map?*')
})

it('keeps the map of a run that has ended, and tells how far another is', async () => {
  const { runs } = (await (await fetch(`${url}/v1/runs`)).json()) as { runs: { id: string }[] }
  const ask = async (layer: string): Promise<FeatureMap> =>
    (await (await fetch(`${url}/v1/runs/${runs[0]!.id}/map?layer=${layer}`)).json()) as FeatureMap
  const { keys = [], labels = [], names = [], x = [], y = [] } = await ask('pool5')
  expect(keys).toHaveLength(72)
  const middle = (values: readonly number[], label: number): number =>
    values.filter((_, i) => labels[i] === label).reduce((sum, value) => sum + value / 18, 0)
  const near = (point: number): string | undefined => {
    const distances = names.map((_, label) => Math.hypot(x[point]! - middle(x, label), y[point]! - middle(y, label)))
    return names[distances.indexOf(Math.min(...distances))]
  }
  // Images lie nearer to those of their own kind, as they do in the features.
  expect(keys.filter((key, i) => key.startsWith(`${near(i)}/`)).length).toBeGreaterThan(54)
  const kept = join(await folder(), 'home', 'state', 'queues')
  const files = await readdir(kept, { recursive: true })
  expect(files.filter(file => file.includes('maps/'))).toEqual(expect.arrayContaining([expect.stringContaining('pool5.json')]))
  expect(await ask('none')).toMatchObject({ status: 404, code: 'LAYER_MISSING' })
})

it('shows a contact sheet, and finds the images most like a picture that is dropped', async () => {
  const { page } = watched
  await page.getByRole('link', { name: 'Images', exact: true }).click()
  await expect.poll(() => page.locator('.sheet img').count()).toBeGreaterThan(20)
  await page.getByLabel('Class').selectOption('landscape')
  await expect.poll(() => page.locator('.sheet b').allTextContents()).toEqual(Array.from({ length: 18 }, () => 'landscape'))
  await page.getByLabel('Nearest of each').selectOption('pool5')
  await expect.poll(() => page.locator('.nearest img').count()).toBe(18)
  // Pieces of one picture are nearest to each other.
  for (const text of await page.locator('.nearest').allTextContents()) expect(text).toMatch(/^landscape (0\.9\d|1\.0)/)
  expect(await watched.checkScreens('images')).toEqual([])
  await page.getByRole('link', { name: 'Try it' }).click()
  const file = (await readdir(join(source, '../../samples'))).find(name => name.startsWith('checkerboard-01'))!
  await page.getByLabel('A picture to try').setInputFiles(join(source, '../../samples', file))
  await expect.poll(() => page.locator('.neighbours img').count()).toBe(12)
  expect(await page.locator('.neighbours .mono').first().textContent()).toMatch(/^checkerboard-/)
  expect(await watched.checkScreens('try')).toEqual([])
  await page.getByLabel('A picture to try').setInputFiles(join(source, 'disc', 'broken.jpg'))
  await page.getByRole('alert').waitFor()
})

it('asks what findings of an audit are worth, and keeps the answer with the features', async () => {
  const { page } = watched
  const out = join(await folder(), 'data', 'features')
  await page.getByRole('link', { name: 'Audit', exact: true }).click()
  await page.getByText('No audit of these images is there').waitFor()
  expect(await page.getByRole('combobox', { name: /^Layer/ }).inputValue()).toBe('pool5')
  await page.getByRole('button', { name: 'Audit the images' }).click()
  await page
    .getByRole('status')
    .getByText(/^done of pool5/)
    .waitFor()
  await page.getByLabel('Kind').waitFor()
  expect(await readFile(join(out, 'audit', 'report.html'), 'utf8')).toContain('Findings are images to look at')
  const keys = ['stripe/stripe-01-0.jpg', 'stripe/stripe-01-1.jpg', 'disc/disc-01-0.jpg']
  const lines = keys.map((key, i) => `${key},${i < 2 ? 'near-duplicate,0.25,1,stripe,' : 'label,0.125,,disc,stripe'},`)
  await writeFile(join(out, 'audit', 'audit.csv'), ['key,finding,score,group,label,detail,verdict', ...lines, ''].join('\r\n'))
  await page.reload()
  await expect.poll(() => page.locator('.sheet img').count()).toBe(2)
  await page.getByLabel('Kind').selectOption('label')
  await page.getByText('disc · rather stripe').waitFor()
  expect(await watched.checkScreens('audit')).toEqual([])
  await page.getByRole('button', { name: `Confirm ${keys[2]}` }).click()
  await page.getByText('Nothing left to look at here').waitFor()
  await page.getByLabel('Kind').selectOption('near-duplicate')
  await page.getByRole('button', { name: 'Dismiss the 2 that are open' }).click()
  await page.getByText('Nothing left to look at here').waitFor()
  const verdicts = (await readFile(join(out, 'audit', 'audit.csv'), 'utf8')).trim().split('\r\n').slice(1)
  expect(verdicts.map(line => line.split(',').at(-1))).toEqual(['dismissed', 'dismissed', 'confirmed'])
})

it('shows how alike layers are, as a comparison in the folder of the run tells', async () => {
  const { page } = watched
  const out = join(await folder(), 'data', 'features', 'compare')
  const sets = ['conv2', 'pool5', '<b>third</b>'].map(name => ({ name, rows: 79, columns: 64 }))
  const pair = (a: number, b: number, debiased: number) => ({ a: sets[a]!.name, b: sets[b]!.name, cka: { biased: 0.93, debiased } })
  await mkdir(out, { recursive: true })
  const pairs = [pair(0, 0, 1), pair(1, 1, 1), pair(2, 2, 1), pair(0, 1, 0.125), pair(0, 2, 0.5), pair(1, 2, 0.25)]
  await writeFile(join(out, 'compare.json'), JSON.stringify({ sets, pairs }))
  await page.getByRole('link', { name: 'Compare', exact: true }).click()
  const matrix = page.getByRole('region', { name: 'Linear CKA, debiased' })
  await expect.poll(() => matrix.getByRole('rowheader').allTextContents()).toEqual(['conv2', '<b>third</b>', 'pool5'])
  expect((await matrix.getByRole('cell').allTextContents()).slice(0, 3)).toEqual(['1.000', '0.500', '0.125'])
  await page.getByRole('region', { name: 'Linear CKA, biased' }).waitFor()
  await page.getByRole('img', { name: 'Sets by likeness' }).waitFor()
  expect(await watched.checkScreens('comparison')).toEqual([])
})

it('names a run, finds it by its tag, and opens one from its files', async () => {
  const { page } = watched
  await page.getByRole('button', { name: 'Name, tags, notes' }).click()
  await page.getByLabel('Name', { exact: true }).fill('Shapes, first look')
  await page.getByLabel(/^Tags/).fill('shapes, look')
  await page.getByLabel('Notes', { exact: true }).fill('Random weights tell stripes from discs.')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: /^Shapes, first look done/ }).waitFor()
  const place = join(await folder(), 'data', 'copy')
  await cp(join(await folder(), 'data', 'features'), place, { recursive: true })
  const record = await readFile(join(place, 'run.json'), 'utf8')
  await writeFile(join(place, 'run.json'), record.replaceAll(/"id": "extract-[^"]+"/g, '"id": "extract-from-elsewhere"'))
  await page.getByRole('link', { name: 'Runs', exact: true }).first().click()
  await page.getByRole('button', { name: 'Open from files' }).click()
  await page.getByLabel('Place').fill(join(await folder(), 'nothing'))
  await page.keyboard.press('Enter')
  await page.getByRole('alert').getByText('no run.json').waitFor()
  await page.getByLabel('Place').fill(place)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: /^extract-from-elsewhere done/ }).waitFor()
  await page.getByRole('link', { name: 'Images', exact: true }).click()
  await page.locator('.sheet img').first().waitFor()
  // The layers of another run beside this one's: asked for as the API takes it, and not computed here.
  await page.getByRole('link', { name: 'Compare', exact: true }).click()
  await page.getByLabel('With the layers of').selectOption({ label: 'Shapes, first look (googlenet)' })
  const asked = page.waitForRequest(request => request.method() === 'POST' && request.url().endsWith('/analyses'))
  const answer = { kind: 'compare', state: 'done', out: place, added: new Date().toISOString(), attempts: 0 }
  await page.route('**/analyses', route =>
    route.request().method() === 'POST' ? route.fulfill({ status: 202, json: answer }) : route.continue(),
  )
  await page.getByRole('button', { name: 'Compare the layers of both runs' }).click()
  const [first] = RunPage.parse(await (await fetch(`${url}/v1/runs?search=first+look`)).json()).runs
  expect((await asked).postDataJSON()).toEqual({ kind: 'compare', with: [first?.id] })
  await page.unroute('**/analyses')
  expect(await watched.checkScreens('comparison-of-two')).toEqual([])
  await page.getByRole('link', { name: 'Runs', exact: true }).first().click()
  await page.getByLabel('Search runs').fill('look')
  await expect.poll(() => page.locator('.run-name > a').allTextContents()).toEqual(['Shapes, first look'])
  expect(await watched.checkScreens('runs-search')).toEqual([])
  await page.getByLabel('Search runs').fill('no such words')
  await page.getByRole('button', { name: 'Show all runs' }).click()
  await expect.poll(() => page.locator('.run').count()).toBe(2)
})

it('gives pictures of the run only, and to those who may read', async () => {
  const { runs } = (await (await fetch(`${url}/v1/runs`)).json()) as { runs: { id: string }[] }
  const picture = (key: string, part = '0'): Promise<Response> =>
    fetch(`${url}/v1/runs/${runs[0]?.id ?? ''}/thumbnail?part=${part}&key=${encodeURIComponent(key)}`)
  const there = await picture('checkerboard/checkerboard-01-0.jpg')
  expect(there.headers.get('content-type')).toBe('image/jpeg')
  expect(Math.max((await sharp(Buffer.from(await there.arrayBuffer())).metadata()).width)).toBe(192)
  for (const key of ['../samples/disc-01.jpg', '/etc/hostname', 'checkerboard/none.jpg'])
    expect(await (await picture(key)).json()).toMatchObject({ status: 404, code: 'IMAGE_UNKNOWN' })
  expect(await (await picture('disc/broken.jpg', '3')).json()).toMatchObject({ status: 404 })
  expect((await picture('x', '-1')).status).toBe(400)
})

it('describes its routes in the OpenAPI document', async () => {
  const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as { paths: Record<string, unknown> }
  expect(Object.keys(paths)).toEqual(
    expect.arrayContaining(
      ['parts', 'failures', 'thumbnail', 'evaluation', 'projection', 'neighbours'].map(name => `/v1/runs/{id}/${name}`),
    ),
  )
})

it('shows curves, confusion and mistakes of a fine-tuning run', async () => {
  const { page } = watched
  const id = await submit({
    kind: 'finetune',
    model: 'googlenet',
    layer: 'pool5',
    size: '224x224',
    epochs: 6,
    batchSize: 8,
    learningRate: 0.01,
    validation: 0.3,
    maxErrors: 2,
    register: 'shapes',
    out: join(await folder(), 'data', 'model'),
  })
  await watched.goto(`/#/runs/${id}/training`)
  await page.getByRole('heading', { name: /done/ }).waitFor()
  await page.getByRole('slider', { name: 'Accuracy by epoch' }).focus()
  await page.keyboard.press('ArrowLeft')
  expect(await page.getByRole('slider', { name: 'Accuracy by epoch' }).getAttribute('aria-valuetext')).toMatch(
    /^epoch 5: training \d+%, held out \d+%$/,
  )
  await page.getByRole('region', { name: 'Confusion matrix' }).waitFor()
  await page.getByLabel('Loss, rate and gradient on a log scale').check()
  for (const name of ['Learning rate', 'Gradient norm']) await page.getByRole('slider', { name: `${name} by epoch` }).waitFor()
  expect(await watched.checkScreens('training')).toEqual([])
  await page.route('**/evaluation', async route => {
    const response = await route.fetch()
    const evaluation = (await response.json()) as RunEvaluation
    await route.fulfill({ response, json: { ...evaluation, classes: evaluation.classes.map((name, i) => (i === 0 ? longName : name)) } })
  })
  await page.reload()
  await page.getByRole('region', { name: 'Confusion matrix' }).getByText(longName).first().waitFor()
  expect(await watched.checkScreens('training-long-name')).toEqual([])
  await page.unroute('**/evaluation')
  await page.getByRole('link', { name: 'Overview' }).click()
  await page.getByText('shapes@1 promoted').waitFor()
  expect(await page.getByRole('term').allTextContents()).toEqual(['Throughput', 'Took', 'Failed', 'Epochs'])
  expect(await watched.checkScreens('finetune-overview')).toEqual([])
})

/** A second version with the files of the first. */
async function addVersion(): Promise<void> {
  const store = openStore(join(await folder(), 'registry'))
  const { sha256 } = (await readVersions(store, 'shapes'))[0]!
  await allocateVersion(store, {
    name: 'shapes',
    run: 'finetune-by-hand',
    out: 'elsewhere',
    sha256,
    created: new Date().toISOString(),
    by: 'somebody',
  })
  for await (const { key } of store.list('models/shapes/versions/1/')) {
    if (!key.endsWith('version.json')) await store.put(key.replace('/1/', '/2/'), (await store.get(key))!)
  }
  await store.close()
}

it('promotes a version and rolls back, each after a question', async () => {
  const { page } = watched
  await addVersion()
  await page.getByRole('link', { name: 'Models' }).click()
  await page.getByRole('link', { name: 'shapes' }).click()
  await page.getByText('is version 1').waitFor()
  await page.getByRole('row', { name: /version 1 promoted/ }).waitFor()
  expect(await page.getByRole('button', { name: /^Roll back/ }).count()).toBe(0)
  await page.getByRole('button', { name: 'Promote' }).focus()
  await page.keyboard.press('Enter')
  await page.getByRole('dialog', { name: 'Promote version 2?' }).waitFor()
  expect(await watched.checkScreens('model-promote')).toEqual([])
  await page.keyboard.press('Escape')
  await page.locator('dialog').waitFor({ state: 'detached' })
  await page.keyboard.press('Enter')
  await page.getByLabel('Why').fill('sees more squares')
  await page.keyboard.press('Enter')
  await page.getByText('is version 2').waitFor()
  await page.getByRole('row', { name: /version 2 promoted .* sees more squares/ }).waitFor()
  await page.getByRole('button', { name: 'Roll back to version 1' }).click()
  await page.getByRole('button', { name: 'Yes, roll back' }).click()
  await page.getByText('is version 1').waitFor()
  await page.getByRole('row', { name: /back to version 1 .* by hand/ }).waitFor()
  expect(await watched.checkScreens('model')).toEqual([])
  expect(watched.complaints).toEqual([])
})

it('colours the map by a model: what images were taken for, and whether that is right', async () => {
  const { page } = watched
  const { runs } = (await (await fetch(`${url}/v1/runs?kind=extract`)).json()) as { runs: { id: string }[] }
  const out = join(await folder(), 'data', 'classes.csv')
  const predicted = await submit({ kind: 'predict', model: 'shapes@latest', weights: 'imagenet', maxErrors: 2, report: true, out })
  await watched.goto(`/#/runs/${predicted}`)
  await page.getByRole('heading', { name: /done/ }).waitFor()
  await watched.goto(`/#/runs/${runs.find(({ id }) => id !== 'extract-from-elsewhere')!.id}/features`)
  await page.getByText('72 of 72 images.').waitFor()
  await page.getByLabel('Colour by').selectOption(`error:${predicted}`)
  await expect.poll(() => page.locator('.groups span').allTextContents()).toEqual(['right', 'wrong'])
  await page.getByLabel('Colour by').selectOption(`predicted:${predicted}`)
  await expect.poll(() => page.locator('.groups span').allTextContents()).toContain('checkerboard')
  expect(await watched.checkScreens('map-predicted')).toEqual([])
})

it('shows runs side by side: what differs, how they went, and what they take for what', async () => {
  const { page } = watched
  await watched.goto('/#/runs')
  for (const name of [/^Compare finetune-/, /^Compare predict-/]) await page.getByRole('checkbox', { name }).first().check()
  await page.getByRole('button', { name: 'Compare', exact: true }).click()
  await page.getByRole('heading', { name: 'Runs side by side' }).waitFor()
  const settings = page.getByRole('region', { name: 'Settings that differ' })
  await settings.getByRole('rowheader', { name: 'model', exact: true }).waitFor()
  await page.getByRole('region', { name: 'Outcome of the runs' }).waitFor()
  expect(await watched.checkScreens('side-by-side')).toEqual([])
})

it('tells why a model names a picture as it does', async () => {
  const { page } = watched
  await watched.goto('/#/models/shapes')
  const file = (await readdir(join(source, 'stripe'))).find(name => name.endsWith('.jpg'))!
  await page.getByLabel('A picture to try').setInputFiles(join(source, 'stripe', file))
  await page.getByRole('button', { name: 'Why?' }).click()
  await page.getByText(/^(Warm places speak for|Nothing in the picture speaks for)/).waitFor()
  expect(await watched.checkScreens('why')).toEqual([])
})

it('writes reports that a browser shows by themselves, on a desk and on a phone', async () => {
  const root = await folder()
  const data = join(root, 'data')
  const network = ['--model', 'googlenet', '--weights', 'random:1', '--device', 'cpu']
  const [nearest, layers] = [join(root, 'nearest.html'), join(root, 'layers.html')]
  const key = ['--key', 'disc/disc-01-0.jpg', '--features', join(data, 'features'), '--layer', 'pool5', '--report', nearest]
  expect(await runCli(['similar', ...key])).toMatchObject({ code: 0 })
  const sample = ['--layers', 'conv1,conv2,inception_3a', '--size', '64x64', '--sample', '24', '--max-errors', '1', '--report', layers]
  expect(await runCli(['advise', source, ...network, ...sample])).toMatchObject({ code: 0 })
  const reports = {
    'report-extract': join(data, 'features', 'report.html'),
    'report-predict': join(data, 'classes.report.html'),
    'report-finetune': join(data, 'model', 'report.html'),
    'report-similar': nearest,
    'report-advise': layers,
  }
  for (const [name, path] of Object.entries(reports)) {
    const html = await readFile(path, 'utf8')
    expect(html, name).not.toMatch(/<script|<link|https?:/)
    // A page without an address cannot ask for anything that lies beside it.
    await watched.page.goto('about:blank')
    await watched.page.setContent(html)
    expect(await watched.page.evaluate('[...document.images].every(image => image.naturalWidth > 0)'), name).toBe(true)
    expect(await watched.checkScreens(name)).toEqual([])
  }
  expect(watched.complaints.filter(text => !text.includes('about:blank'))).toEqual([])
})

it('has pages for models and queues', async () => {
  const { page } = watched
  await watched.goto('/')
  for (const name of ['Models', 'Queues']) {
    await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name }).click()
    await page.getByRole('heading', { name, level: 1 }).waitFor()
    await page.getByRole('table').waitFor()
    expect(await watched.checkScreens(name.toLowerCase())).toEqual([])
  }
})
