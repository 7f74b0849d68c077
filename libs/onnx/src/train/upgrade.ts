import { unsupported } from '../invalid.js'
import { floatTensor, intTensor } from '../read/encode.js'
import type { Repaired } from '../cut/batch.js'
import { intAttribute } from '../cut/batch.js'
import type { Info } from '../shapes/info.js'
import type { NodeDef, TensorDef } from '../types.js'

/** From this set of operators on, what is used here is as in all newer ones. */
export const upgradedOpset = 13

/** An attribute that became an input. */
interface Moved {
  readonly attribute: string
  readonly input: number
  readonly kind: 'ints' | 'float'
  /** The first set of operators that has the input. */
  readonly since: number
}

const axes: Moved = { attribute: 'axes', input: 1, kind: 'ints', since: 13 }
const moved: Readonly<Record<string, readonly Moved[]>> = {
  Clip: [
    { attribute: 'min', input: 1, kind: 'float', since: 11 },
    { attribute: 'max', input: 2, kind: 'float', since: 11 },
  ],
  Pad: [
    { attribute: 'pads', input: 1, kind: 'ints', since: 11 },
    { attribute: 'value', input: 2, kind: 'float', since: 11 },
  ],
  ReduceSum: [axes],
  Slice: [
    { attribute: 'starts', input: 1, kind: 'ints', since: 10 },
    { attribute: 'ends', input: 2, kind: 'ints', since: 10 },
    { attribute: 'axes', input: 3, kind: 'ints', since: 10 },
  ],
  Split: [{ attribute: 'split', input: 1, kind: 'ints', since: 13 }],
  Squeeze: [axes],
  Unsqueeze: [axes],
}
/** Attributes that newer operators do not have, and that say nothing in inference. */
const dropped: Readonly<Record<string, string>> = { BatchNormalization: 'spatial', Dropout: 'ratio' }
/** Operators that mean another thing since, by the set that changed them. */
const changed: Readonly<Record<string, number>> = { Resize: 11, RoiAlign: 16, Scan: 9, TopK: 11, Upsample: 10 }
/** Operators over one axis that were over all axes from it on. */
const overRest = new Set(['Hardmax', 'LogSoftmax', 'Softmax'])

class Upgrade {
  readonly added: TensorDef[] = []

  constructor(
    private readonly opset: number,
    private readonly values: ReadonlyMap<string, Info>,
    private readonly file: string,
  ) {}

  node(node: NodeDef): NodeDef {
    if (node.domain !== '') return node
    if ((changed[node.op] ?? 0) > this.opset) throw this.refused(node)
    if (overRest.has(node.op)) return this.overOne(node)
    const attributes = new Map(node.attributes)
    attributes.delete(dropped[node.op] ?? '')
    const inputs = [...node.inputs]
    for (const { attribute, input, kind, since } of moved[node.op] ?? []) {
      const found = attributes.get(attribute)
      if (this.opset >= since || found === undefined) continue
      attributes.delete(attribute)
      while (inputs.length < input) inputs.push('')
      const name = `layermill.upgrade.${this.added.length}`
      this.added.push(kind === 'ints' ? intTensor(name, found.numbers) : floatTensor(name, found.numbers, []))
      inputs[input] = name
    }
    return { ...node, inputs, attributes }
  }

  private overOne(node: NodeDef): NodeDef {
    const rank = this.values.get(node.inputs[0]!)?.dims?.length
    const axis = node.attributes.get('axis')?.numbers[0] ?? 1
    if (rank === undefined || (axis !== rank - 1 && axis !== -1)) throw this.refused(node)
    return { ...node, attributes: new Map([['axis', intAttribute('axis', -1)]]) }
  }

  private refused({ op, name }: NodeDef): Error {
    return unsupported(
      this.file,
      `node '${name}' (${op}) of opset ${this.opset} cannot be trained or computed in int8`,
      'export it again with opset_version=17',
    )
  }
}

/**
 * Nodes of an old set of operators as those of set 13 and newer, which mean the same.
 * @param values what is known of the graph's values for one image
 * @throws LayermillError `ONNX_UNSUPPORTED` naming a node that cannot be
 */
export function upgraded({ nodes, added }: Repaired, opset: number, values: ReadonlyMap<string, Info>, file: string): Repaired {
  if (opset >= upgradedOpset) return { nodes, added }
  const upgrade = new Upgrade(opset, values, file)
  const newer = nodes.map(node => upgrade.node(node))
  return { nodes: newer, added: [...added, ...upgrade.added] }
}
