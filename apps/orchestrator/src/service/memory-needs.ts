import type { FinetuneSpec, RunSpec } from '@layermill/contracts'
import { elementCount, LayermillError, memoryLimit } from '@layermill/core'
import { outlineModel } from '@layermill/inference'
import { getNetwork, learnableShapes, type Network, networkIds, parameterShapes } from '@layermill/models'
import { baseIsFixed, parameterScales, trainedNetwork } from '../train/plan.js'
import type { SpecCheck } from './guarded.js'

/** Bytes of an orchestrator with no run. */
const idleBytes = 120e6
/** Bytes of each value of the weights: float32. */
const valueBytes = 4
/**
 * Copies of what learns that training holds at once: the parameters, two versions as they are sent, and sums and results of gradients.
 * Measured (docs/operations.md): memory grew by 5 bytes for each byte that learns, before the optimizer's.
 */
const copies = { float32: 5, bfloat16: 3 } as const
/** Values that the optimizer keeps for each that learns. */
const slots: Readonly<Record<FinetuneSpec['optimizer'], number>> = { adam: 2, adamw: 2, momentum: 1 }

/** Values of the parameters that learn through the workers; 0 where only a head learns, which trains here in little memory. */
function learning(spec: FinetuneSpec, base: Network): number {
  if (baseIsFixed(spec)) return 0
  // The number of classes is not known before the images are listed, and hardly counts.
  const network = trainedNetwork(spec, base, ['a', 'b'])
  const shapes = learnableShapes(network)
  const names = [...parameterScales(spec, network)].filter(([, scale]) => scale !== 0).map(([name]) => name)
  return names.reduce((sum, name) => sum + elementCount(shapes.get(name)!), 0)
}

/**
 * Bytes that an orchestrator needs at least for a run of a network. The real number is larger: what is refused by this one cannot fit.
 * Weights of ONNX files stay in their files until they learn.
 * @throws LayermillError as planning the run does, for a spec that the network does not allow
 */
export function orchestratorBytes(spec: RunSpec, network: Network): number {
  const weights = [...parameterShapes(network).values()].reduce((sum, shape) => sum + elementCount(shape), 0) * valueBytes
  const learned = spec.kind === 'finetune' ? learning(spec, network) * valueBytes : 0
  const training = spec.kind === 'finetune' ? learned * (copies[spec.exchange] + slots[spec.optimizer]) : 0
  return idleBytes + Math.max(weights, training)
}

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`

/**
 * Refuses a run that cannot fit into this orchestrator's memory: it would end the process, be taken up by the next one, and end that.
 * @param limit bytes
 * @throws LayermillError `MEMORY_TOO_SMALL` with both numbers. Other faults of a spec are left to those who plan it.
 */
export function checkMemory(spec: RunSpec, network: Network, limit = memoryLimit()): void {
  let needed: number
  try {
    needed = orchestratorBytes(spec, network)
  } catch {
    return
  }
  if (needed <= limit) return
  const what = spec.kind === 'finetune' ? `fine-tuning ${spec.model} with this base` : `${spec.model}`
  const other = spec.kind === 'finetune' ? ', train fewer layers (--base), or give --exchange bfloat16' : ''
  throw new LayermillError(
    'MEMORY_TOO_SMALL',
    `${what} needs at least ${gibibytes(needed)} of memory in the orchestrator, which has ${gibibytes(limit)}`,
    { hint: `give the orchestrator more memory${other}` },
  )
}

/** Runs that fit into the memory of this process. */
export class MemoryNeeds implements SpecCheck {
  /** @param limit bytes; by default those that this process may use */
  constructor(private readonly limit = memoryLimit()) {}

  /**
   * Looks at networks by name, ONNX files on this machine and descriptions of fine-tuned models. What has to be fetched first is looked at
   * once it is loaded (`checkMemory`), and a model that cannot be opened is left to those who open it.
   * @throws LayermillError `MEMORY_TOO_SMALL`
   */
  async checkSpec(spec: RunSpec): Promise<void> {
    const network = networkIds.includes(spec.model) ? getNetwork(spec.model) : await outlineModel(spec.model).catch(() => undefined)
    if (network !== undefined) checkMemory(spec, network, this.limit)
  }
}
