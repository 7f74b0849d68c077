import { join } from 'node:path'
import { type QueueJobPage, queueNames, ScheduleDetail } from '@layermill/contracts'
import { openBroker } from '@layermill/queue'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startBrowser, WatchedPage } from '../../helpers/browser.js'
import { runCli } from '../../helpers/cli.js'
import { Fleet, succeeded } from '../../helpers/fleet.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImages } from '../../helpers/images.js'

const folder = testFolder('dashboard')
let fleet: Fleet
let browser: Browser
let url: string
let source: string
let watched: WatchedPage
const secrets: Record<string, string> = {}

beforeAll(async () => {
  const root = await folder()
  source = join(root, 'images')
  await writeImages(source, 30)
  const tokens = join(root, 'tokens.jsonl')
  for (const scope of ['read', 'admin']) {
    secrets[scope] = succeeded(await runCli(['tokens', 'add', scope, '--scopes', scope, '--tokens-file', tokens])).stdout.trim()
  }
  fleet = await Fleet.start()
  const [server, started] = await Promise.all([
    fleet.serve(['--tokens-file', tokens, '--allow-path', root, '--state', join(root, 'state')]),
    startBrowser(),
  ])
  url = server.url
  browser = started
  watched = await WatchedPage.open(browser, url)
})

afterAll(async () => {
  await browser?.close()
  await fleet?.stop()
})

async function signIn({ page }: WatchedPage, token: string): Promise<void> {
  await page.getByLabel('Token').fill(token)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('heading', { name: 'Runs' }).waitFor()
}

it('asks for a token, keeps it out of addresses, and says when it is wrong', async () => {
  const { page } = watched
  await watched.goto('/')
  await page.getByLabel('Token').fill('lm_wrong')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect.poll(() => page.getByRole('alert').textContent()).toContain('unknown')
  expect(await watched.checkScreens('login')).toEqual([])
  await signIn(watched, secrets['admin'] ?? '')
  expect(page.url()).not.toContain(secrets['admin'])
  expect(await page.context().cookies()).toEqual([])
  await page.getByText('No runs yet').waitFor()
})

it('submits a run, shows what is wrong at the fields, cancels it, resumes it and follows it to its end', async () => {
  const { page } = watched
  await page.getByRole('link', { name: 'New run' }).click()
  await page.getByLabel('Source').fill(source)
  await page.getByLabel('Model').fill('googlenet')
  await page.getByRole('combobox', { name: 'Layers' }).fill('conv3')
  await page.getByText('more settings').click()
  await page.getByLabel('Weights', { exact: true }).fill('random:1')
  await page.getByLabel('Size', { exact: true }).fill('32by32')
  await page.getByLabel('Part size').fill('4')
  await page.getByLabel('Device').selectOption('cpu')
  await page.getByRole('button', { name: 'Submit run' }).click()
  await expect.poll(() => page.locator('#help-size').textContent()).toContain('32by32')
  expect(await page.locator('#help-out').textContent()).toContain('expected')
  expect(await watched.checkScreens('submit')).toEqual([])
  await page.getByLabel('Size', { exact: true }).fill('32x32')
  await page.getByRole('textbox', { name: /^Out/ }).fill(join(await folder(), 'out'))
  await page.getByRole('button', { name: 'Submit run' }).click()
  await expect.poll(() => page.locator('#help-layers').textContent()).toContain('conv3')
  await page.getByRole('combobox', { name: 'Layers' }).fill('conv2')
  await page.getByRole('button', { name: 'Submit run' }).click()

  // No worker yet: the run waits.
  await page.getByRole('heading', { name: /^extract-.* running/ }).waitFor()
  await page.getByText('of 30 images').waitFor()
  await page.getByRole('button', { name: 'Cancel run' }).click()
  await page.getByRole('button', { name: 'Yes, cancel it' }).click()
  await page.getByRole('heading', { name: /^extract-.* cancelled/ }).waitFor()
  const worker = fleet.worker()
  await page.getByRole('button', { name: 'Resume' }).click()
  await page.getByRole('heading', { name: /^extract-.* done/ }).waitFor()
  await worker
  await page.getByText('30 of 30 images').waitFor()
  expect(await watched.checkScreens('run')).toEqual([])
  await page.getByRole('link', { name: 'Plan and spec' }).click()
  await page.getByText('192 × 8 × 8').waitFor()
  expect(await watched.checkScreens('plan')).toEqual([])
})

it('makes a schedule, says what is wrong with it, runs it now, changes, pauses and removes it', async () => {
  const { page } = watched
  await page.getByRole('link', { name: 'Make it a schedule' }).click()
  await page.getByRole('heading', { name: 'New schedule' }).waitFor()
  // The run's own settings, and the browser's time zone.
  await expect.poll(() => page.getByLabel('Size', { exact: true }).inputValue()).toBe('32x32')
  expect(await page.getByRole('combobox', { name: 'Time zone' }).inputValue()).toBe(new Intl.DateTimeFormat().resolvedOptions().timeZone)
  await page.getByLabel(/^Name/).fill('Nightly')
  await page.getByRole('combobox', { name: /^Cron/ }).fill('99 3 * * *')
  await page.getByRole('combobox', { name: 'Time zone' }).fill('Europe/Berlin')
  const out = join(await folder(), 'scheduled')
  await page.getByRole('textbox', { name: /^Out/ }).fill(`${out}/{day}`)
  await page.getByRole('button', { name: 'Add schedule' }).focus()
  await page.keyboard.press('Enter')
  await expect.poll(() => page.locator('#help-cron').textContent()).toContain('99 3 * * *')
  expect(await page.locator('#help-name').textContent()).toContain('lower-case letters')
  expect(await page.locator('[id="help-spec.out"]').textContent()).toContain('no other placeholders')
  expect(await page.evaluate('document.activeElement.id')).toBe('field-name')
  expect(await watched.checkScreens('new-schedule')).toEqual([])
  await page.getByLabel(/^Name/).fill('nightly')
  await page.getByRole('combobox', { name: /^Cron/ }).fill('0 3 * * *')
  await page.getByRole('textbox', { name: /^Out/ }).fill(out)
  await page.getByRole('button', { name: 'Add schedule' }).click()

  await page.getByRole('heading', { name: 'nightly' }).waitFor()
  await page.getByText('0 3 * * * · Europe/Berlin').waitFor()
  await page.getByRole('button', { name: 'Run now' }).click()
  await page.getByRole('status').getByText('done').waitFor()
  await page.getByRole('cell', { name: /^extract-/ }).waitFor()
  expect(await watched.checkScreens('schedule')).toEqual([])
  await page
    .getByRole('status')
    .getByRole('link', { name: /^extract-/ })
    .click()
  await page.getByRole('heading', { name: /^extract-.* done/ }).waitFor()
  await page.getByRole('link', { name: 'Schedules' }).click()
  await page.getByRole('row', { name: /^nightly .*Europe\/Berlin.* done/ }).waitFor()
  expect(await watched.checkScreens('schedules')).toEqual([])

  const stored = async (): Promise<ScheduleDetail> =>
    ScheduleDetail.parse(
      await (await fetch(`${url}/v1/schedules/nightly`, { headers: { authorization: `Bearer ${secrets['read'] ?? ''}` } })).json(),
    )
  const before = await stored()
  await page.getByRole('link', { name: 'nightly' }).click()
  await page.getByRole('link', { name: 'Edit' }).click()
  await page.getByRole('combobox', { name: /^Cron/ }).fill('30 4 * * 1')
  await page.getByLabel('Unchanged').selectOption('run')
  await page.getByRole('button', { name: 'Save changes' }).click()
  await page.getByText('30 4 * * 1 · Europe/Berlin').waitFor()
  const { changed: _changed, next: _next, upcoming: _upcoming, notify: _notify, ...after } = await stored()
  expect(before).toMatchObject({ ...after, cron: '0 3 * * *', unchanged: 'skip' })
  expect(after).toMatchObject({ cron: '30 4 * * 1', unchanged: 'run', spec: before.spec })

  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByRole('heading', { name: 'nightly paused' }).waitFor()
  await page.getByRole('button', { name: 'Resume' }).click()
  await page.getByRole('button', { name: 'Pause' }).waitFor()
  await page.getByRole('button', { name: 'Remove' }).focus()
  await page.keyboard.press('Enter')
  await page.getByRole('dialog', { name: 'Remove nightly?' }).waitFor()
  expect(await watched.checkScreens('schedule-remove')).toEqual([])
  await page.keyboard.press('Escape')
  await page.locator('dialog').waitFor({ state: 'detached' })
  expect(await page.evaluate('document.activeElement.textContent')).toBe('Remove')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Yes, remove it' }).click()
  await page.getByText('No schedules yet').waitFor()
})

it('shows an admin the jobs of a queue, tries one again and removes it, with the keyboard', async () => {
  const { page } = watched
  const broker = await openBroker(fleet.queue)
  // A part of a run whose place holds another one: the job fails.
  const data = { v: 1, run: 'extract-gone', store: join(await folder(), 'out'), part: 7, generation: 0 }
  await broker.queue<object>(queueNames.parts).add('extract', data, { jobId: 'extract-gone_0_7', attempts: 1 })
  await broker.close()
  const ended = async (): Promise<string | undefined> => {
    const response = await fetch(`${url}/v1/queues/${queueNames.parts}/jobs`, {
      headers: { authorization: `Bearer ${secrets['admin'] ?? ''}` },
    })
    return ((await response.json()) as QueueJobPage).jobs[0]?.finished
  }
  await expect.poll(ended).toBeDefined()
  const first = await ended()
  await page.getByRole('link', { name: 'Queues' }).click()
  await page.getByRole('link', { name: 'layermill-parts' }).focus()
  await page.keyboard.press('Enter')
  await page.getByRole('link', { name: 'failed 1' }).waitFor()
  await page.getByRole('row', { name: /^extract-gone_0_7 RUN_CONFLICT .* extract-gone 1 of 1/ }).waitFor()
  expect(await watched.checkScreens('queue', true)).toEqual([])
  const job = page.getByRole('button', { name: 'extract-gone_0_7' })
  const open = async (): Promise<void> => {
    await job.focus()
    await page.keyboard.press('Enter')
    await page.getByRole('dialog', { name: 'extract-gone_0_7' }).getByText('"part": 7').waitFor()
  }
  await open()
  expect(await watched.checkScreens('queue-job', true)).toEqual([])
  await page.keyboard.press('Escape')
  await page.locator('dialog').waitFor({ state: 'detached' })
  expect(await page.evaluate('document.activeElement.textContent')).toBe('extract-gone_0_7')
  await open()
  await page.getByRole('button', { name: 'Retry' }).click()
  await page.getByRole('dialog', { name: 'Try this job again?' }).getByText('with all its attempts anew').waitFor()
  await page.getByRole('button', { name: 'Yes, try it again' }).click()
  await page.getByText('extract-gone_0_7 is tried again.').waitFor()
  // It fails once more.
  await expect.poll(async () => [undefined, first].includes(await ended())).toBe(false)
  await page.reload()
  await open()
  await page.getByRole('button', { name: 'Remove' }).click()
  await page.getByRole('dialog', { name: 'Remove this job?' }).waitFor()
  expect(await watched.checkScreens('queue-remove')).toEqual([])
  await page.getByRole('button', { name: 'Yes, remove it' }).click()
  await page.getByText('No failed jobs').waitFor()
  await page.getByRole('link', { name: /^completed/ }).click()
  await page
    .getByRole('row', { name: /^extract-\S+ [\d.]+ s extract-/ })
    .first()
    .waitFor()
  expect(await watched.checkScreens('queue-completed')).toEqual([])
})

it('lists runs and workers, and is used with the keyboard alone', async () => {
  const { page } = watched
  const broker = await openBroker(fleet.queue)
  // A part of a run that is not to be found from here: the worker is unfit for it, and leaves it to others.
  const data = { v: 1, run: 'extract-elsewhere', store: join(await folder(), 'elsewhere'), part: 0, generation: 0 }
  const part = await broker.queue<object>(queueNames.parts).add('extract', data, { jobId: 'extract-elsewhere_0_0', attempts: 1 })
  await page.getByRole('link', { name: 'Workers' }).focus()
  await page.keyboard.press('Enter')
  await page.getByText('onnx on cpu').waitFor()
  await page.getByText(/unfit for extract-elsewhere: there is no run at .*RUN_MISSING/).waitFor()
  await expect.poll(() => part.getState()).toBe('waiting')
  await part.remove()
  await broker.close()
  expect(await watched.checkScreens('workers')).toEqual([])
  await page.getByRole('link', { name: 'Runs', exact: true }).focus()
  await page.keyboard.press('Enter')
  await page
    .getByRole('link', { name: /^extract-/ })
    .first()
    .waitFor()
  expect(await watched.checkScreens('runs', true)).toEqual([])
  await page.getByRole('button', { name: 'Use the dark theme' }).focus()
  await page.keyboard.press('Enter')
  expect(await page.locator('html').getAttribute('data-theme')).toBe('dark')
  await page
    .getByRole('link', { name: /^extract-/ })
    .first()
    .focus()
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: /^extract-/ }).waitFor()
})

it('offers a reader nothing that it may not do', async () => {
  const reader = await WatchedPage.open(browser, url)
  await reader.goto('/')
  await signIn(reader, secrets['read'] ?? '')
  await reader.page
    .getByRole('link', { name: /^extract-/ })
    .first()
    .waitFor()
  expect(await reader.page.getByRole('link', { name: 'New run' }).count()).toBe(0)
  await reader.page.getByRole('link', { name: 'Schedules' }).click()
  await reader.page.getByText('No schedules yet').waitFor()
  expect(await reader.page.getByRole('link', { name: 'New schedule' }).count()).toBe(0)
  await reader.page.getByRole('link', { name: 'Queues' }).click()
  await reader.page.getByRole('rowheader', { name: 'layermill-parts' }).waitFor()
  expect(await reader.page.getByRole('main').getByRole('link').count()).toBe(0)
  expect(reader.complaints).toEqual([])
  await reader.close()
})

it('gives nothing of a run without a token', async () => {
  const { runs } = (await (await fetch(`${url}/v1/runs`, { headers: { authorization: `Bearer ${secrets['read'] ?? ''}` } })).json()) as {
    runs: { id: string }[]
  }
  for (const place of [
    'parts',
    'failures',
    'evaluation',
    'thumbnail?part=0&key=image00000.png',
    'projection?layer=conv2',
    'neighbours?layer=conv2&point=0',
  ]) {
    expect((await fetch(`${url}/v1/runs/${runs[0]?.id ?? ''}/${place}`)).status, place).toBe(401)
  }
})

it('shows the API without the bar and the logo of its framework, and with links that lead somewhere', async () => {
  const docs = await WatchedPage.open(browser, url)
  await docs.goto('/docs')
  await docs.page.locator('[data-path="/v1/runs/{id}/map"]').first().waitFor()
  expect(await docs.page.title()).toContain('Layermill')
  expect(await docs.page.locator('.topbar').count()).toBe(0)
  const found: unknown = await docs.page.evaluate('[...document.querySelectorAll("a[href], img[src]")].map(each => each.href ?? each.src)')
  const addresses = found as string[]
  for (const address of new Set(addresses.filter(each => each.startsWith(url)))) expect((await fetch(address)).status, address).toBe(200)
  expect(addresses.filter(each => /swagger\.io|smartbear/.test(each))).toEqual([])
  expect(docs.complaints).toEqual([])
  await docs.close()
})

it('makes no errors, breaks no policy and asks nobody else', () => {
  expect(watched.complaints).toEqual([])
})

it('serves its files with headers that let browsers keep what never changes', async () => {
  const page = await fetch(`${url}/`)
  expect(page.headers.get('content-security-policy')).not.toContain('unsafe')
  expect(page.headers.get('cache-control')).toBe('public, max-age=0')
  const script = /src="(assets\/app-[^"]+)"/.exec(await page.text())?.[1] ?? ''
  const asset = await fetch(`${url}/${script}`, { headers: { 'accept-encoding': 'br' } })
  expect(asset.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
  expect(asset.headers.get('content-encoding')).toBe('br')
  expect((await fetch(`${url}/assets/..%2findex.html`)).status).toBe(404)
})
