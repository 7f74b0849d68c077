import { execFile } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { inProcess, median } from './measure.js'

const batch = 8
const rounds = 5
/** Each is measured this often, in turns, and the middle one counts. */
const turns = 3
const cases = [
  { model: 'vgg16', layer: 'fc7', target: 1.1 },
  { model: 'resnet50', layer: 'pool5', target: 1.1 },
  { model: 'googlenet', layer: 'pool5', target: 1.4 },
] as const

interface PyTorch {
  readonly version: string
  readonly eager: number
  readonly channelsLast: number
}

/** The Python that has PyTorch: `$LAYERMILL_BENCH_PYTHON`, else `python3`. */
const python = process.env['LAYERMILL_BENCH_PYTHON'] ?? 'python3'
const run = promisify(execFile)

async function pytorch(model: string): Promise<PyTorch> {
  // The script is beside the source, not in dist.
  const script = fileURLToPath(new URL('../../bench/pytorch_forward.py', import.meta.url))
  const { stdout } = await run(python, [script, model, String(batch), String(rounds), String(availableParallelism())])
  return JSON.parse(stdout) as PyTorch
}

/** `npm run bench -- forward`: the engine's forward pass against PyTorch's, the better of eager and channels-last, batch 8. */
export async function benchForward(): Promise<void> {
  const there = await run(python, ['-c', 'import torch']).then(() => true, () => false)
  if (!there) return console.log(`left out: ${python} has no torch (set LAYERMILL_BENCH_PYTHON to a Python that has)`)
  console.log(`forward pass, batches of ${batch}, images a second\n`)
  console.log(['model/layer', 'ours', 'eager', 'ch.-last', 'ratio', 'target'].map((name, i) => (i === 0 ? name.padEnd(18) : name.padStart(10))).join(''))
  for (const { model, layer, target } of cases) {
    const ours: number[] = []
    const theirs: PyTorch[] = []
    for (let turn = 0; turn < turns; turn++) {
      ours.push((await inProcess<{ rate: number }>('./forward-step.js', model, layer, String(batch), String(rounds))).rate)
      theirs.push(await pytorch(model))
    }
    const eager = median(theirs.map(result => result.eager))
    const last = median(theirs.map(result => result.channelsLast))
    const cells = [median(ours).toFixed(1), eager.toFixed(1), last.toFixed(1), (median(ours) / Math.max(eager, last)).toFixed(2), target.toFixed(1)]
    console.log(`${model}/${layer}`.padEnd(18) + cells.map(cell => cell.padStart(10)).join(''))
  }
}
