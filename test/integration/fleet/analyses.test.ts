import { cp, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { AnalysisList, RunPage } from '@layermill/contracts'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runCli } from '../../helpers/cli.js'
import { Fleet, succeeded } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeShapes } from '../train/shapes.js'

const folder = testFolder('fleet-analyses')
let fleet: Fleet
let root: string
let features: string

beforeAll(async () => {
  root = await folder()
  features = join(root, 'features')
  await writeShapes(join(root, 'shapes'), 8)
  const network = '--model googlenet --weights random:1 --size 32x32 --device cpu --pool avg'.split(' ')
  succeeded(
    await runCli([
      'extract',
      join(root, 'shapes'),
      ...network,
      '--layers',
      'conv1,pool1,conv2,inception_3a,inception_3b,inception_4a',
      '--out',
      features,
    ]),
  )
  await cp(features, join(root, 'here'), { recursive: true })
  fleet = await Fleet.start()
})
afterAll(() => fleet?.stop())

async function post(url: string, path: string, body: unknown): Promise<unknown> {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  expect(response.ok, path).toBe(true)
  return response.json()
}

/** Files of a folder by name. */
async function filesOf(place: string): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  for (const name of (await readdir(place)).toSorted()) files.set(name, await readFile(join(place, name), 'utf8'))
  return files
}

it('carries out what a killed server had begun, with the bytes of the local command', async () => {
  const state = ['--state', join(root, 'state'), '--lock-duration', '2']
  const first = await fleet.serve(state)
  await post(first.url, '/v1/runs/open', { place: features })
  const { runs } = RunPage.parse(await (await fetch(`${first.url}/v1/runs`)).json())
  const path = `/v1/runs/${runs[0]!.id}/analyses`
  const states = async (url: string): Promise<string[]> =>
    AnalysisList.parse(await (await fetch(`${url}${path}`)).json()).analyses.map(({ kind, state: of }) => `${kind} ${of}`)
  const settings = { labelScore: 'margin', labels: 2, outliers: 3, seed: 'other' }
  await post(first.url, path, { kind: 'audit', layer: 'inception_3a', settings })
  await expect.poll(() => states(first.url)).toEqual(['audit running'])
  // Before its process has loaded the runtime.
  await fleet.kill(first.process)
  const second = await fleet.serve(state)
  await expect.poll(() => states(second.url), { timeout: 120_000 }).toEqual(['audit done'])
  // Six layers: two servers share the blocks of their pairs.
  const third = await fleet.serve(state.with(1, join(root, 'state-3')))
  const compared = ['--rdm', 'cosine', '--permutations', '20', '--measures', 'cka,rsa']
  succeeded(await runCli(['compare', runs[0]!.id, ...compared, '--server', second.url]))
  expect(`${second.process.output()}${third.process.output()}`).toMatch(/block 4 of 4: done/)
  expect(await states(second.url)).toEqual(['audit done', 'compare done'])

  // A run that was opened from its files is named by a URL.
  const here = pathToFileURL(join(root, 'here')).href
  const audited = ['--label-score', 'margin', '--labels', '2', '--outliers', '3', '--seed', 'other']
  succeeded(await runCli(['audit', '--features', here, '--layer', 'inception_3a', ...audited, '--out', `${here}/audit`]))
  succeeded(await runCli(['compare', here, ...compared, '--out', `${here}/compare`]))
  for (const kind of ['audit', 'compare']) {
    const local = await filesOf(join(root, 'here', kind))
    for (const [name, text] of local) local.set(name, text.replaceAll(here, pathToFileURL(features).href))
    expect(local.size).toBeGreaterThan(1)
    expect(await filesOf(join(features, kind))).toEqual(local)
  }
})

it('refuses flags that a server does not take', async () => {
  const { code, stderr } = await runCli(['audit', '--features', 'extract-1', '--verdicts', 'a.csv', '--server', 'http://127.0.0.1:1'])
  expect(code).not.toBe(0)
  expect(stderr).toMatch(/--verdicts: not taken with --server/)
  expect((await runCli(['compare', './features', '--server', 'http://127.0.0.1:1'])).stderr).toMatch(
    /expected with --server the id of a run/,
  )
})
