/** Installs a pack as users do, in an empty folder, and runs what they run. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { SetupError, root, run, step } from '../setup/terminal.mjs'

/** Install size that the package promises, in bytes, on linux-x64. */
const maxInstalledBytes = 200e6

/** @param {string} folder @returns {Promise<number>} bytes of all files below */
async function bytesBelow(folder) {
  let bytes = 0
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) bytes += (await stat(path.join(entry.parentPath, entry.name))).size
  return bytes
}

const program = `
import { loadModel } from 'layermill'
const model = await loadModel('googlenet', { weights: 'random:1' })
const { pool5 } = await model.extract(['photos/red/0.png'], { layers: ['pool5'] })
if (pool5.shape.join() !== '1,1024,1,1') throw new Error('pool5 is ' + pool5.shape)
await model.dispose()
`

const typed = `
import { loadModel, type ImageModel } from 'layermill'
export async function features(file: string): Promise<Float32Array> {
  const model: ImageModel = await loadModel('googlenet', { weights: 'random:1' })
  const { pool5 } = await model.extract([file], { layers: ['pool5'] })
  return pool5!.data
}
`

/** Resolutions of a TypeScript project that users have. */
const resolutions = { nodenext: { module: 'nodenext' }, bundler: { module: 'esnext', moduleResolution: 'bundler' } }

/**
 * Runs a program in the folder and throws with what it printed unless it ends well.
 * @param {string} cwd @param {string} command @param {readonly string[]} parameters
 */
async function must(cwd, command, parameters) {
  const { code, stdout, stderr } = await run(command, parameters, { cwd })
  if (code !== 0) throw new SetupError(`${command} ${parameters.join(' ')} in ${cwd}: exit code ${code}\n${stdout}${stderr}`)
  return stdout
}

/** Installs packages; a registry may fail for a moment. @param {string} cwd @param {readonly string[]} parameters of npm */
async function installed(cwd, parameters) {
  for (let left = 2; ; left -= 1) {
    try {
      return await must(cwd, 'npm', parameters)
    } catch (error) {
      if (left === 0) throw error
    }
  }
}

/** Two classes of four pictures. @param {string} folder */
async function makePhotos(folder) {
  const sharp = (await import('sharp')).default
  for (const [label, background] of [
    ['red', '#c03020'],
    ['blue', '#2040c0'],
  ]) {
    await mkdir(path.join(folder, label), { recursive: true })
    for (let i = 0; i < 4; i++)
      await sharp({ create: { width: 60 + i, height: 60, channels: 3, background } }).toFile(path.join(folder, label, `${i}.png`))
  }
}

/** Asks until it is so; the trial's own limit ends what never is. @template T @param {() => Promise<T | undefined>} ask @returns {Promise<T>} */
async function until(ask) {
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

/** `layermill serve` alone: its page, and a run that is given to it. @param {string} layermill @param {string} folder */
async function checkServer(layermill, folder) {
  const env = { ...process.env, LAYERMILL_HOME: path.join(folder, 'home'), BROWSER: path.join(folder, 'no-browser') }
  const server = spawn(layermill, ['serve', '--open', '--port', '0', '--device', 'cpu'], { cwd: folder, env, timeout: 300_000 })
  let said = ''
  for (const stream of [server.stdout, server.stderr]) stream.setEncoding('utf8').on('data', text => (said += text))
  const ended = once(server, 'close')
  try {
    const url = await until(async () => {
      if (server.exitCode !== null || server.signalCode !== null) throw new SetupError(`serve ended\n${said}`)
      return /layermill is at (http:\S+);/.exec(said)?.[1]
    })
    const page = await (await fetch(url)).text()
    if (!page.includes('<script')) throw new SetupError(`serve has no page\n${page}`)
    const spec = { kind: 'extract', source: path.join(folder, 'photos'), model: 'googlenet', weights: 'random:1', layers: ['conv1'] }
    const body = JSON.stringify({ ...spec, out: path.join(folder, 'served') })
    const headers = { 'content-type': 'application/json' }
    const { id } = await (await fetch(`${url}/v1/runs`, { method: 'POST', headers, body })).json()
    const run = await until(async () => {
      const { state, counts } = await (await fetch(`${url}/v1/runs/${id}`)).json()
      return ['done', 'failed', 'cancelled', undefined].includes(state) ? { state, counts } : undefined
    })
    if (run.state !== 'done' || run.counts.done !== 8) throw new SetupError(`the server's run: ${JSON.stringify(run)}\n${said}`)
  } finally {
    server.kill('SIGTERM')
    await ended
  }
}

/** Declarations must satisfy the compilers that users have. @param {string} folder */
async function checkTypes(folder) {
  await writeFile(path.join(folder, 'typed.ts'), typed)
  await installed(folder, ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', 'typescript-5', 'typescript@5.9.3'])
  const compilers = {
    'TypeScript 7': [path.join(root, 'node_modules/.bin/tsc')],
    'TypeScript 5.9': [process.execPath, path.join(folder, 'typescript-5/node_modules/typescript/bin/tsc')],
  }
  for (const [title, [command, ...before]] of Object.entries(compilers)) {
    for (const [name, options] of Object.entries(resolutions)) {
      // One resolution is enough for the older compiler, which takes a while.
      if (title === 'TypeScript 5.9' && name === 'bundler') continue
      const config = path.join(folder, `tsconfig.${name}.json`)
      const compilerOptions = { target: 'es2022', strict: true, noEmit: true, skipLibCheck: false, types: ['node'], ...options }
      await writeFile(
        config,
        JSON.stringify({ compilerOptions: { noUncheckedIndexedAccess: true, ...compilerOptions }, files: ['typed.ts'] }),
      )
      await step(`${title}, ${name}`, () => must(folder, command, [...before, '-p', config]))
    }
  }
}

/**
 * @param {string} pack a file that `npm pack` made
 * @param {string} folder made anew
 * @throws {SetupError} where anything of it does not work, or the installation is larger than promised
 */
export async function tryPack(pack, folder) {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ name: 'a-users-project', private: true, type: 'module' }))
  // Scripts run, as on a user's machine: none of them may fail or download.
  const install = ['install', pack, '--no-audit', '--no-fund', '--ignore-scripts=false', '--engine-strict']
  await step('Installing the pack', () => installed(folder, install))
  const bytes = await bytesBelow(path.join(folder, 'node_modules'))
  console.log(`installed: ${(bytes / 1e6).toFixed(0)} MB`)
  if (process.platform === 'linux' && bytes > maxInstalledBytes)
    throw new SetupError(`the installation has ${bytes} bytes, more than ${maxInstalledBytes}`)

  await makePhotos(path.join(folder, 'photos'))
  const layermill = path.join(folder, 'node_modules/.bin/layermill')
  const network = ['--model', 'googlenet', '--weights', 'random:1']
  await step('extract', () => must(folder, layermill, ['extract', './photos', ...network, '--layers', 'pool5', '--out', './features']))
  if (!existsSync(path.join(folder, 'features/_SUCCESS'))) throw new SetupError('extract wrote no _SUCCESS')
  const out = await step('predict', () => must(folder, layermill, ['predict', './photos', ...network, '--top', '1', '--json']))
  if (out.trim() === '') throw new SetupError('predict printed nothing')
  const training = ['--layer', 'pool5', '--epochs', '1', '--batch-size', '4', '--out', './model']
  await step('finetune', () => must(folder, layermill, ['finetune', './photos', ...network, ...training]))
  await step('serve', () => checkServer(layermill, folder))
  await writeFile(path.join(folder, 'program.mjs'), program)
  await step('import', () => must(folder, process.execPath, ['program.mjs']))
  await writeFile(
    path.join(folder, 'program.cjs'),
    `if (typeof require('layermill').loadModel !== 'function') throw new Error('no loadModel')`,
  )
  await step('require', () => must(folder, process.execPath, ['program.cjs']))
  await checkTypes(folder)
}
