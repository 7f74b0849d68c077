/**
 * `npm run verify:device -- --device cuda`, after the contract suite: every network on that device against what Chainer and torchvision
 * computed, with times. Prints one page; ends with 1 where anything differs.
 */
import { arch, cpus, platform, release } from 'node:os'
import { parseArgs } from 'node:util'
import { type Device, type Engine, type EngineName, openEngine, selfCheck } from '@layermill/engines'
import { errorMessage } from '@layermill/core'
import { getNetwork, networkIds } from '@layermill/models'
import { referenceInput, referenceWeights } from '@layermill/weights'

const { values: flags } = parseArgs({
  options: {
    device: { type: 'string', default: 'auto' },
    engine: { type: 'string', default: 'onnx' },
    'batch-size': { type: 'string', default: '8' },
    precision: { type: 'string', default: 'fp32' },
    networks: { type: 'string' },
  },
})
const float16 = flags.precision === 'fp16'
const batchSize = Number(flags['batch-size'])
const networks = flags.networks?.split(',') ?? networkIds
/** Seconds. */
const longRun = 20

/** Images per second of a network's default layer, after one run that loads and compiles what it needs. */
async function imagesPerSecond(engine: Engine, id: string): Promise<number> {
  const network = getNetwork(id)
  const { shape, data } = referenceInput(network)
  const batch = (): { shape: number[]; data: Float32Array<ArrayBuffer> } => {
    const images = new Float32Array(batchSize * data.length)
    for (let i = 0; i < batchSize; i++) images.set(data, i * data.length)
    return { shape: [batchSize, ...shape.slice(1)], data: images }
  }
  await using extractor = await engine.extractor(network, referenceWeights(network), [network.defaultLayer], {
    inputSize: network.inputSize,
    float16,
  })
  const timed = async (): Promise<number> => {
    const images = batch()
    const start = performance.now()
    await extractor.run(images)
    return (performance.now() - start) / 1000
  }
  // Loading and compiling hardly count in a run longer than `longRun`.
  const first = await timed()
  return batchSize / (first > longRun ? first : Math.min(await timed(), await timed(), await timed()))
}

interface Row {
  readonly result: string
  readonly passed: boolean
}

async function verify(engine: Engine, id: string): Promise<Row> {
  try {
    const { layer, maxAbs, cosine } = await selfCheck(engine, id, { float16 })
    const speed = await imagesPerSecond(engine, id)
    return {
      passed: true,
      result: `${layer}: largest difference ${maxAbs.toExponential(1)}, cosine ${cosine.toFixed(7)}, ${speed < 10 ? speed.toPrecision(2) : speed.toFixed(1)} images/s`,
    }
  } catch (error) {
    return { passed: false, result: errorMessage(error) }
  }
}

const engine = await openEngine({ engine: flags.engine as EngineName, device: flags.device as Device | 'auto' })
console.log(`\nLayermill on ${engine.name}/${engine.device}`)
console.log(`${engine.version}; ${engine.report}`)
console.log(`Node.js ${process.versions.node}, ${platform()} ${release()} ${arch()}, ${cpus().length} x ${cpus()[0]?.model ?? 'processor'}`)
console.log(`Stored values of Chainer and torchvision, one image; ${flags.precision}, speed at batch ${batchSize}, best of three\n`)
const longest = Math.max(...networks.map(id => id.length))
const rows: Row[] = []
for (const id of networks) {
  process.stderr.write(`${id} ...\r`)
  const row = await verify(engine, id)
  rows.push(row)
  // One by one: a slow device takes minutes for each.
  console.log(`${id.padEnd(longest)}  ${row.passed ? 'passed' : 'FAILED'}  ${row.result}`)
}
console.log(
  `\nprocess memory ${Math.round(process.memoryUsage().rss / 1e6)} MB; ${rows.filter(({ passed }) => passed).length} of ${rows.length} networks passed`,
)
await engine.close()
process.exitCode = rows.every(({ passed }) => passed) ? 0 : 1
