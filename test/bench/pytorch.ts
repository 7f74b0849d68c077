import { execFile } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** The Python that has PyTorch: `$LAYERMILL_BENCH_PYTHON`, else `python3`. */
export const python = process.env['LAYERMILL_BENCH_PYTHON'] ?? 'python3'
const run = promisify(execFile)

const hasModule = async (name: string): Promise<boolean> =>
  run(python, ['-c', `import ${name}`]).then(
    () => true,
    () => false,
  )

export const hasPytorch = (): Promise<boolean> => hasModule('torch')
export const hasOnnxRuntime = (): Promise<boolean> => hasModule('onnxruntime')
export const hasNumpy = (): Promise<boolean> => hasModule('numpy')

/** Output of a script of this folder, given these arguments and the number of threads. */
export async function pytorch<Result>(script: string, ...args: readonly string[]): Promise<Result> {
  // The scripts are beside the sources, not in dist.
  const path = fileURLToPath(new URL(`../../bench/${script}`, import.meta.url))
  const started = performance.now()
  const { stdout } = await run(python, [path, ...args, String(availableParallelism())])
  return { seconds: (performance.now() - started) / 1000, ...(JSON.parse(stdout) as object) } as Result
}
