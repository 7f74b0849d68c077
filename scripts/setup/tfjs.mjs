import { SetupError, run, runStep } from './terminal.mjs'

const version = '4.22.0'
/** With a GPU of NVIDIA's, the package for it; else the one for the CPU. */
const packages = { gpu: '@tensorflow/tfjs-node-gpu', cpu: '@tensorflow/tfjs-node' }

/** Whether the package loads, and on what it computes. @param {string} name */
async function tryPackage(name) {
  const program = `
    const util = require('node:util')
    util.isNullOrUndefined ??= value => value === null || value === undefined
    util.isArray ??= Array.isArray
    const tf = require('${name}')
    const product = tf.tensor1d([2]).mul(3).dataSync()[0]
    if (product !== 6) throw new Error('computed 2 * 3 = ' + product)
    console.log(tf.backend().isUsingGpuDevice === true ? 'GPU' : 'CPU')`
  return run(process.execPath, ['-e', program])
}

/**
 * `npm run setup:tfjs`: installs the native TensorFlow.js for this machine's GPU, or its CPU. Its install script downloads TensorFlow,
 * so it is no dependency of the workspace; install scripts run for this package only.
 *
 * @param {readonly string[]} parameters `gpu` or `cpu` instead of what the machine seems to have
 * @returns {Promise<number>} 0 where it loads and computes
 * @throws {SetupError} where it cannot be installed
 */
export async function setUpTfjs([asked]) {
  if (asked !== undefined && !Object.hasOwn(packages, asked)) throw new SetupError(`setup:tfjs: got ${asked}, expected gpu or cpu`)
  const hasGpu = (await run('nvidia-smi', ['-L']).catch(() => ({ code: 1 }))).code === 0
  const name = packages[asked ?? (hasGpu && process.platform === 'linux' ? 'gpu' : 'cpu')]
  await runStep(`Installing ${name} ${version} (downloads TensorFlow)`, 'npm', [
    'install',
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts=false',
    `${name}@${version}`,
  ])
  const { code, stdout, stderr } = await tryPackage(name)
  if (code !== 0) {
    throw new SetupError(
      `${name} is installed and does not load:\n${stderr.trim()}\nIts install script may not have reached storage.googleapis.com, where TensorFlow is.`,
    )
  }
  console.log(
    `${name} ${version} computes on the ${stdout.trim()}. Next: npm run verify:device -- --engine tfjs --device ${stdout.trim() === 'GPU' ? 'cuda' : 'cpu'}`,
  )
  return 0
}
