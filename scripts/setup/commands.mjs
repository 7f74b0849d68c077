import { existsSync } from 'node:fs'
import path from 'node:path'
import { setUpCuda } from './cuda.mjs'
import { build, installNodeModules } from './install.mjs'
import { release } from '../release/main.mjs'
import { testNodes } from './nodes.mjs'
import { stagePackage } from '../services/package.mjs'
import { startServices } from './services.mjs'
import { setUpTfjs } from './tfjs.mjs'
import { SetupError, root, run, step } from './terminal.mjs'

/** @param {string} name */
const tool = name => path.join(root, 'node_modules/.bin', name)

/** Runs a compiled program of the workspace. @param {string} file @param {readonly string[]} parameters */
async function program(file, parameters) {
  if (!existsSync(path.join(root, file))) throw new SetupError(`${file} is missing: the build did not produce it.`)
  const { code } = await run(process.execPath, [path.join(root, file), ...parameters], { show: true })
  return code
}

const signals = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])

/**
 * Large blocks of memory in huge pages (glibc). Tests make networks anew all the time, and on virtual machines the page faults of that take
 * longer than the arithmetic: the networks' conformance tests took 82 s of CPU without, 43 s with it. Other libraries of C ignore it.
 */
const hugePages = 'glibc.malloc.hugetlb=1'

/** @param {readonly string[]} parameters vitest's */
async function test(parameters) {
  /** @type {import('./services.mjs').RunningService[]} */
  const started = []
  let interrupted = false
  const interrupt = () => {
    // The second time, leave at once: whoever asks twice does not want to wait for servers.
    if (interrupted) process.exit(130)
    interrupted = true
  }
  for (const signal of signals) process.on(signal, interrupt)
  try {
    const env = await startServices(parameters, started)
    if (interrupted) return 130
    const { code } = await run(tool('vitest'), ['run', ...parameters], { show: true, env: { GLIBC_TUNABLES: hugePages, ...env } })
    return interrupted ? 130 : code
  } catch (error) {
    // Ctrl-C reaches the servers as well, so one that is just starting fails.
    if (interrupted) return 130
    throw error
  } finally {
    if (started.length > 0) await step('Stopping the test servers', () => Promise.allSettled(started.map(service => service.stop())))
    for (const signal of signals) process.off(signal, interrupt)
  }
}

/** Whole commands are measured as users have them, bundled. @param {readonly string[]} parameters names of benchmarks */
async function bench(parameters) {
  const { folder } = await step('Laying out the package as published', stagePackage)
  process.env.LAYERMILL_TEST_PACKAGE = folder
  return await program('test/dist/bench/main.js', parameters)
}

/** @param {readonly string[]} parameters paths to look at instead of everything */
async function lint(parameters) {
  const { code } = await run(tool('oxlint'), ['--type-aware', ...parameters], { show: true })
  return code
}

/** @param {readonly string[]} parameters oxfmt's: `--check` looks only, paths narrow it down */
async function format(parameters) {
  const { code } = await run(tool('oxfmt'), [...parameters], { show: true })
  return code
}

/**
 * The whole contract suite on a device of this machine, then `layermill verify-device`: one page.
 * @param {readonly string[]} parameters `--device NAME`, `--engine NAME`
 */
async function verifyDevice(parameters) {
  const at = parameters.indexOf('--device')
  const device = at < 0 ? 'cpu' : parameters[at + 1]
  const engine = parameters.includes('tfjs') ? 'tfjs' : 'onnx'
  const contract = await run(tool('vitest'), ['run', `libs/engines/src/${engine}/engine.test.ts`], {
    show: true,
    env: { LAYERMILL_TEST_DEVICES: engine === 'tfjs' ? `tfjs/${device}` : device },
  })
  const page = await program('apps/cli/bin/layermill.js', ['verify-device', ...parameters])
  console.log(contract.code === 0 ? 'contract suite: passed' : 'contract suite: FAILED')
  return contract.code === 0 ? page : 1
}

/** @type {Record<string, (parameters: readonly string[]) => Promise<number>>} */
const commands = {
  install: async () => 0,
  setup: async () => 0,
  demo: parameters => program('apps/cli/dist/demo/main.js', parameters),
  test,
  'test:nodes': testNodes,
  bench,
  lint,
  format,
  release,
  'setup:cuda': setUpCuda,
  'setup:tfjs': setUpTfjs,
  'verify:device': verifyDevice,
}

/**
 * @param {readonly string[]} parameters the command's name, then its own arguments
 * @returns {Promise<number>} exit code: the command's own, 1 where the set-up failed, 2 for an unknown command
 */
export async function main([name = 'setup', ...parameters]) {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) {
    console.error(`Unknown command ${name}; there are ${Object.keys(commands).join(', ')}.`)
    return 2
  }
  try {
    // Set by the caller who has done both: commands that run beside each other would build into the same files.
    const isPrepared = Boolean(process.env.LAYERMILL_PREPARED)
    delete process.env.LAYERMILL_PREPARED
    if (!isPrepared) {
      await installNodeModules()
      if (name === 'install') return 0
      await build()
    }
    return await command(parameters)
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    console.error(error.message.trimEnd())
    return 1
  }
}
