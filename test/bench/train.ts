import { cp, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { benchImages } from './images.js'
import { inProcess } from './measure.js'
import { hasPytorch, python, pytorch } from './pytorch.js'
import { benchExchange } from './train-exchange.js'

const batch = 8
const rounds = 5
/** Each is measured this often, in turns; the best step counts, which is the one that other work on the machine disturbed least. */
const turns = 3
const models = ['resnet50', 'googlenet'] as const

interface Steps {
  readonly seconds: readonly number[]
  readonly cpuSeconds: readonly number[]
}

const best = (all: readonly Steps[], of: keyof Steps): number => Math.min(...all.flatMap(steps => steps[of]))

function line(name: string, steps: readonly Steps[]): string {
  const seconds = best(steps, 'seconds')
  return `${name.padEnd(26)}${(batch / seconds).toFixed(2).padStart(8)} images/s, ${seconds.toFixed(3)} s a step, ${best(steps, 'cpuSeconds').toFixed(3)} s of CPU`
}

async function benchSteps(): Promise<void> {
  const there = await hasPytorch()
  console.log(
    `full fine-tuning step, batches of ${batch}: gradients, mean, Adam${there ? '' : ` (${python} has no torch: set LAYERMILL_BENCH_PYTHON to compare)`}`,
  )
  for (const model of models) {
    const ours: Steps[] = []
    const theirs: Steps[] = []
    for (let turn = 0; turn < turns; turn++) {
      ours.push(await inProcess<Steps>('./train-step.js', model, String(batch), String(rounds)))
      if (there) theirs.push(await pytorch<Steps>('pytorch_train.py', model, String(batch), String(rounds)))
    }
    console.log(line(model, ours))
    if (!there) continue
    console.log(line(`${model}, PyTorch ch.-last`, theirs))
    const ratio = (of: keyof Steps): string => (best(theirs, of) / best(ours, of)).toFixed(2)
    console.log(`${model}: ratio ${ratio('seconds')}, by CPU seconds ${ratio('cpuSeconds')} (target 1.0)`)
  }
}

const images = 384
const epochs = 10

/** Ten epochs on a frozen base: over stored features, and with the base run in each epoch. */
async function benchFrozen(): Promise<void> {
  const folder = resolve('.tmp/bench/train')
  await rm(folder, { recursive: true, force: true })
  await benchImages(join(folder, 'images/one'), images / 2)
  await cp(join(folder, 'images/one'), join(folder, 'images/two'), { recursive: true })
  const measure = async (path: 'features' | 'general'): Promise<number> =>
    (await inProcess<{ seconds: number }>('./train-frozen-step.js', join(folder, 'images'), join(folder, path), String(epochs), path))
      .seconds
  const [features, general] = [await measure('features'), await measure('general')]
  console.log(
    `frozen resnet50, ${images} images, ${epochs} epochs: ${features.toFixed(1)} s on stored features, ${general.toFixed(1)} s with the base in every epoch, ` +
      `ratio ${(general / features).toFixed(1)} (target 8)`,
  )
  await rm(folder, { recursive: true, force: true })
}

/** `npm run bench -- train`: full fine-tuning, a frozen base, and the exchange of gradients. */
export async function benchTrain(): Promise<void> {
  await benchSteps()
  await benchFrozen()
  await benchExchange()
}
