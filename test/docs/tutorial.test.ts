/** The tutorial's commands, in their order, on a fleet of its own. */
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startBrowser, WatchedPage } from '../helpers/browser.js'
import { blocksOf, commandsOf, DocumentFolder } from './commands.js'

const tutorial = await readFile(new URL('../../docs/tutorial.md', import.meta.url), 'utf8')
let folder: DocumentFolder
let heard: () => string = () => ''

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** The files that the tutorial has the reader write: blocks whose first line is a comment with the name. */
async function writeFiles(): Promise<string[]> {
  const blocks = ['js', 'yaml'].flatMap(language => blocksOf(tutorial, language))
  const named = blocks.map(text => ({ name: /^(?:\/\/|#) (\S+)\n/.exec(text)?.[1], text }))
  for (const { name, text } of named) if (name !== undefined) await writeFile(join(folder.path, name), folder.meant(text))
  return named.map(({ name }) => name ?? 'no name')
}

beforeAll(async () => {
  folder = await DocumentFolder.make('tutorial', ['googlenet'])
  const port = String(await freePort())
  folder.instead('127.0.0.1:9000', `127.0.0.1:${port}`)
  folder.instead('listen(9000', `listen(${port}`)
})
afterAll(() => folder?.remove())

it('has the reader write files with names', async () => {
  expect(await writeFiles()).toEqual(['receiver.mjs', 'retrain.yaml', 'features.yaml'])
})

/** How many runs the receiver has been told of. */
const finished = (): number => heard().match(/^run\.finished /gm)?.length ?? 0

async function carryOut(command: string): Promise<void> {
  const [, name, value] = /^export (\w+)=(\S+)$/.exec(command) ?? []
  if (name !== undefined && value !== undefined) {
    folder.env[name] = value
    return
  }
  if (command.startsWith('node ')) heard = (await folder.start(command, /listening/)).output
  else if (command.startsWith('npx layermill worker ')) await folder.start(command, /worker \S+: onnx on/)
  else if (command.startsWith('npx layermill serve '))
    folder.instead('http://localhost:8080', (await folder.start(command, /"url":"(http:[^"]+)"[^]*"msg":"serving"/)).found)
  else if (/ schedule run /.test(command)) {
    const before = finished()
    expect(await folder.run(command)).toMatch(/: (?:running|done) \w+-\d+/)
    // As the tutorial says: once the receiver has been told.
    await expect.poll(finished).toBe(before + 1)
  } else expect(await folder.run(command)).not.toBe('')
}

it.each(commandsOf(tutorial))('%s', carryOut)

it('leads where it says', async () => {
  const models = JSON.parse(await folder.run('npx layermill models history pets --json --registry ./store/registry')) as {
    history: unknown
    uses: unknown
  }
  expect(models).toMatchObject({
    history: [
      { event: 'rolled-back', version: 1, previous: 2, reason: 'takes dogs for cats' },
      { event: 'promoted', version: 2 },
      { event: 'promoted', version: 1 },
    ],
    uses: [{ version: 1, stale: false }],
  })
  expect(
    heard()
      .split('\n')
      .filter(line => line !== ''),
  ).toEqual([
    'listening',
    expect.stringMatching(/^(?:run\.finished finetune-|model\.promoted pets@2)/),
    expect.stringMatching(/^(?:run\.finished finetune-|model\.promoted pets@2)/),
    expect.stringMatching(/^run\.finished extract-/),
    'model.promoted pets@1',
    expect.stringMatching(/^run\.finished extract-/),
  ])
  expect(await folder.run('npx layermill schedule list --server http://localhost:8080')).toMatch(/features[^]*nightly.*paused/)
})

it('shows on the dashboard what the tutorial says, and takes its picture', async () => {
  const browser = await startBrowser()
  const watched = await WatchedPage.open(browser, folder.meant('http://localhost:8080'), { theme: 'light', width: 1180, height: 620 })
  const { page } = watched
  await watched.goto('/#/schedules/nightly')
  await page.getByRole('heading', { name: 'nightly paused' }).waitFor()
  await page.getByRole('row', { name: /by hand done .* finetune-/ }).waitFor()
  await watched.goto('/#/models/pets')
  await page.getByText('pets@latest is version 1').waitFor()
  await page.getByRole('row', { name: /back to version 1 .* takes dogs for cats/ }).waitFor()
  await watched.screenshot('tutorial-registry')
  expect(watched.complaints).toEqual([])
  await browser.close()
})
