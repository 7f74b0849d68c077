import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { openBrowser } from './open-browser.js'

const url = 'http://localhost:8080'
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-browser-'))
})
afterEach(() => vi.unstubAllEnvs())
afterAll(() => rm(folder, { recursive: true }))

/** A program that does this with the address. */
async function browser(name: string, script: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, `#!/bin/sh\n${script}\n`)
  await chmod(path, 0o755)
  return path
}

it('gives the address to the program of BROWSER', async () => {
  const seen = join(folder, 'seen')
  vi.stubEnv('BROWSER', await browser('opens', `echo "$@" > "${seen}.part" && mv "${seen}.part" "${seen}"`))
  const note = vi.fn<(text: string) => void>()
  openBrowser(url, note)
  await expect.poll(() => readFile(seen, 'utf8').catch(() => '')).toBe(`${url}\n`)
  expect(note).not.toHaveBeenCalled()
})

it.each([
  ['is not there', async () => join(folder, 'missing')],
  ['finds no browser', async () => browser('fails', 'exit 3')],
])('says the address where the program %s, and fails nothing', async (_case, program) => {
  const path = await program()
  vi.stubEnv('BROWSER', path)
  const said = await new Promise<string>(resolve => openBrowser(url, resolve))
  expect(said).toBe(`no browser could be opened (${path}): open ${url} yourself`)
})
