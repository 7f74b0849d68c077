import { arch, cpus, platform, release } from 'node:os'
import { errorMessage, exitCodes, LayermillError } from '@layermill/core'
import { type Device, type Engine, type EngineName, openEngine, selfCheck } from '@layermill/engines'
import { checkOperators, operatorTolerance } from '@layermill/engines/operators'
import { getNetwork, networkIds } from '@layermill/models'
import { referenceInput, referenceWeights } from '@layermill/weights'
import { flagCount } from '@layermill/contracts'
import type { Output } from '../../output/output.js'

export interface VerifyDeviceOptions {
  readonly device: Device | 'auto'
  readonly engine: EngineName
  readonly precision: string
  readonly batchSize: string
  readonly networks?: string
  readonly json?: boolean
}

/** Seconds; loading and compiling hardly count in a run that takes longer. */
const longRun = 20

/** Images per second of a network's default layer, after one run that loads and compiles what it needs. */
async function imagesPerSecond(engine: Engine, id: string, batchSize: number, float16: boolean): Promise<number> {
  const network = getNetwork(id)
  const { shape, data } = referenceInput(network)
  const batch = (): { shape: number[]; data: Float32Array<ArrayBuffer> } => {
    const images = new Float32Array(batchSize * data.length)
    for (let i = 0; i < batchSize; i++) images.set(data, i * data.length)
    return { shape: [batchSize, ...shape.slice(1)], data: images }
  }
  const options = { inputSize: network.inputSize, float16 }
  const extractor = await engine.extractor(network, referenceWeights(network), [network.defaultLayer], options)
  try {
    const timed = async (): Promise<number> => {
      const images = batch()
      const start = performance.now()
      await extractor.run(images)
      return (performance.now() - start) / 1000
    }
    const first = await timed()
    return batchSize / (first > longRun ? first : Math.min(await timed(), await timed(), await timed()))
  } finally {
    await extractor.release()
  }
}

interface NetworkRow {
  readonly network: string
  readonly passed: boolean
  readonly text: string
  readonly maxAbs?: number
  readonly cosine?: number
  readonly imagesPerSecond?: number
}

async function verifyNetwork(engine: Engine, network: string, batchSize: number, float16: boolean): Promise<NetworkRow> {
  try {
    const { layer, maxAbs, cosine } = await selfCheck(engine, network, { float16 })
    const speed = await imagesPerSecond(engine, network, batchSize, float16)
    const rate = speed < 10 ? speed.toPrecision(2) : speed.toFixed(1)
    const text = `${layer}: largest difference ${maxAbs.toExponential(1)}, cosine ${cosine.toFixed(7)}, ${rate} images/s`
    return { network, passed: true, text, maxAbs, cosine, imagesPerSecond: speed }
  } catch (error) {
    return { network, passed: false, text: errorMessage(error) }
  }
}

/** Networks that a flag names; all of them where it is not given. @throws LayermillError `SPEC_INVALID` */
function networksOf(text: string | undefined): readonly string[] {
  if (text === undefined) return networkIds
  if (text === 'none') return []
  const names = text.split(',')
  const unknown = names.find(name => !networkIds.includes(name))
  if (unknown === undefined) return names
  throw new LayermillError('SPEC_INVALID', `--networks: got ${JSON.stringify(unknown)}, expected some of ${networkIds.join(', ')}, or none`)
}

const verdict = (passed: boolean): string => (passed ? 'passed' : 'FAILED')

/**
 * `layermill verify-device`: every operator on a device against float64 loops, then networks against what Chainer and torchvision computed,
 * with times. Prints one page, line by line, since a slow device takes minutes for a network; ends with 1 where anything differs.
 */
export async function verifyDeviceCommand(output: Output, options: VerifyDeviceOptions): Promise<number> {
  const batchSize = flagCount('--batch-size', options.batchSize, 1, 4096)
  const networks = networksOf(options.networks)
  const float16 = options.precision === 'fp16'
  const line = (text: string): void => {
    if (options.json !== true) output.line(text)
  }
  const engine = await openEngine({ engine: options.engine, device: options.device })
  try {
    line(`Layermill on ${engine.name}/${engine.device}`)
    line(`${engine.version}; ${engine.report}`)
    line(`Node.js ${process.versions.node}, ${platform()} ${release()} ${arch()}, ${cpus().length} x ${cpus()[0]?.model ?? 'processor'}`)
    const operators = await checkOperators(engine, ({ name, difference, passed, error }) => {
      if (!passed) line(`${name}: FAILED, ${error ?? `difference ${difference.toExponential(1)}, at most ${operatorTolerance}`}`)
    })
    const good = operators.filter(({ passed }) => passed)
    const worst = Math.max(0, ...good.map(({ difference }) => difference))
    line(`${good.length} of ${operators.length} groups of operators passed, largest difference from float64 ${worst.toExponential(1)}`)
    const longest = Math.max(0, ...networks.map(id => id.length))
    const rows: NetworkRow[] = []
    if (networks.length > 0)
      line(
        `Networks against stored values of Chainer and torchvision, one image; ` +
          `${options.precision}, speed at batch ${batchSize}, best of three`,
      )
    for (const id of networks) {
      const row = await verifyNetwork(engine, id, batchSize, float16)
      rows.push(row)
      line(`${id.padEnd(longest)}  ${verdict(row.passed)}  ${row.text}`)
    }
    const passed = rows.filter(row => row.passed).length
    if (networks.length > 0)
      line(`${passed} of ${rows.length} networks passed; process memory ${Math.round(process.memoryUsage().rss / 1e6)} MB`)
    if (options.json === true) {
      const { name, device, version, report } = engine
      output.json({ engine: name, device, version, report, precision: options.precision, batchSize, operators, networks: rows })
    }
    return good.length === operators.length && passed === rows.length ? exitCodes.done : exitCodes.failed
  } finally {
    await engine.close()
  }
}
