import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runCli, smallRun } from '../../helpers/cli.js'
import { Fleet, succeeded } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'
import { readRun } from '../../helpers/results.js'

const folder = testFolder('fleet-refused')
let fleet: Fleet

beforeAll(async () => {
  fleet = await Fleet.start()
})
afterAll(() => fleet.stop())

const listed = async (url: string): Promise<unknown> => ((await (await fetch(`${url}/v1/runs`)).json()) as { runs: unknown }).runs

it("a refused submission leaves the run at its place as it is, and a typing error is in nobody's way", async () => {
  const [photos, out] = [join(await folder(), 'photos'), join(await folder(), 'out')]
  await writeImages(photos, 6)
  const { url } = await fleet.serve(['--allow-private-weights'])
  await fleet.worker()
  const mistyped = await runCli([...smallRun(`${photos}x`, out), '--server', url])
  expect(mistyped).toMatchObject({ code: 1, stderr: expect.stringContaining('[SOURCE_MISSING]') })
  const nowhere = smallRun(photos, out).map(value => (value === 'random:1' ? 'http://127.0.0.1:1/weights.npz' : value))
  const unfetched = await runCli([...nowhere, '--server', url])
  expect(unfetched).toMatchObject({ code: 1, stderr: expect.stringMatching(/127\.0\.0\.1:1\/weights\.npz: .*WEIGHTS_NOT_FOUND/) })
  // The command alone tells the missing folder before it waits for weights.
  const both = await runCli(nowhere.map(value => (value === photos ? `${photos}x` : value)))
  expect(both).toMatchObject({ code: 1, stderr: expect.stringContaining('[SOURCE_MISSING]') })
  expect(await listed(url)).toEqual([])
  succeeded(await runCli([...smallRun(photos, out), '--server', url]))
  const before = await listed(url)
  expect(before).toMatchObject([{ state: 'done', counts: { images: 6, done: 6 } }])

  const args = smallRun(photos, out).map(value => (value === '32x32' ? '64x64' : value))
  const refused = await runCli([...args, '--server', url])
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('[RUN_CONFLICT]') })
  expect(refused.stderr).toContain('size was')
  // Which weights those are is known only when they are loaded: the refusal is a run of its own.
  const others = await runCli([...smallRun(photos, out).map(value => (value === 'random:1' ? 'random:2' : value)), '--server', url])
  expect(others).toMatchObject({ code: 1, stderr: expect.stringContaining('[RUN_CONFLICT]') })
  expect(await listed(url)).toEqual(expect.arrayContaining(before as unknown[]))
  expect(await readRun(out)).toMatchObject({ state: 'done', counts: { images: 6, done: 6 } })
})
