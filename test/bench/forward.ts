import { inProcess, median } from './measure.js'
import { hasPytorch, python, pytorch } from './pytorch.js'

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

/** `npm run bench -- forward`: the engine's forward pass against PyTorch's, the better of eager and channels-last, batch 8. */
export async function benchForward(): Promise<void> {
  if (!(await hasPytorch())) return console.log(`left out: ${python} has no torch (set LAYERMILL_BENCH_PYTHON to a Python that has)`)
  console.log(`forward pass, batches of ${batch}, images a second\n`)
  console.log(
    ['model/layer', 'ours', 'eager', 'ch.-last', 'ratio', 'target']
      .map((name, i) => (i === 0 ? name.padEnd(18) : name.padStart(10)))
      .join(''),
  )
  for (const { model, layer, target } of cases) {
    const ours: number[] = []
    const theirs: PyTorch[] = []
    for (let turn = 0; turn < turns; turn++) {
      ours.push((await inProcess<{ rate: number }>('./forward-step.js', model, layer, String(batch), String(rounds))).rate)
      theirs.push(await pytorch<PyTorch>('pytorch_forward.py', model, String(batch), String(rounds)))
    }
    const eager = median(theirs.map(result => result.eager))
    const last = median(theirs.map(result => result.channelsLast))
    const cells = [
      median(ours).toFixed(1),
      eager.toFixed(1),
      last.toFixed(1),
      (median(ours) / Math.max(eager, last)).toFixed(2),
      target.toFixed(1),
    ]
    console.log(`${model}/${layer}`.padEnd(18) + cells.map(cell => cell.padStart(10)).join(''))
  }
}
