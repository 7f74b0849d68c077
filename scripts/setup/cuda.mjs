import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { SetupError, root, run, runStep } from './terminal.mjs'

const runtime = path.join(root, 'node_modules/onnxruntime-node')
const binaries = path.join(runtime, 'bin/napi-v6/linux/x64')
const provider = path.join(binaries, 'libonnxruntime_providers_cuda.so')

/** Libraries of CUDA that the provider needs and that this machine lacks, by ldd. */
async function missingLibraries() {
  const { stdout } = await run('ldd', [provider])
  return [...stdout.matchAll(/^\s*(\S+) => not found/gm)].map(([, library]) => library)
}

/**
 * `npm run setup:cuda`: fetches ONNX Runtime's CUDA provider (by the package's own script, which the installation does not run) and says
 * what else this machine needs for `--device cuda`.
 *
 * @returns {Promise<number>} 0 where the provider and all libraries it needs are there
 * @throws {SetupError} where the provider is not made for this machine, or cannot be had
 */
export async function setUpCuda() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new SetupError(
      `ONNX Runtime's CUDA provider is for linux x64; this is ${process.platform} ${process.arch}. Use --device webgpu or cpu.`,
    )
  }
  if (!existsSync(provider)) {
    await runStep('Fetching the CUDA provider (CUDA 12)', process.execPath, [path.join(runtime, 'script/install.js')], {
      env: { ONNXRUNTIME_NODE_INSTALL: 'cuda12' },
    })
    // TensorRT is not used, and its provider does not load without it.
    await rm(path.join(binaries, 'libonnxruntime_providers_tensorrt.so'), { force: true })
  }
  if (!existsSync(provider)) throw new SetupError(`The script of onnxruntime-node ended well without ${path.basename(provider)}.`)
  const missing = await missingLibraries()
  if (missing.length > 0) {
    console.error(
      `The CUDA provider is there; it needs ${missing.join(', ')}: install CUDA 12 and cuDNN 9, and put them on LD_LIBRARY_PATH.`,
    )
    return 1
  }
  console.log('The CUDA provider and the libraries it needs are there. Next: npm run verify:device -- --device cuda')
  return 0
}
