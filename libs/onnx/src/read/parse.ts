import { protobuf } from '@layermill/core'
import { invalid } from '../invalid.js'
import type { AttributeDef, Dim, FunctionDef, GraphDef, ModelDef, NodeDef, TensorDef, ValueDef } from '../types.js'
import {
  attributeFields,
  type Field,
  fieldsOf,
  floatsOf,
  functionFields,
  graphFields,
  intsOf,
  modelFields,
  nodeFields,
  textOf,
  valueFields,
} from './fields.js'
import { parseTensor } from './parse-tensor.js'

/** Graphs within graphs, the deepest that is read. */
const mostDepth = 32

/** The pairs of a StringStringEntryProto. */
function entryOf(field: Field, file: string): [string, string] {
  const parts = new Map([...fieldsOf(field.bytes, file)].map(part => [part.number, textOf(part)]))
  return [parts.get(1) ?? '', parts.get(2) ?? '']
}

const kinds: Readonly<Record<number, AttributeDef['kind']>> = {
  1: 'float',
  2: 'int',
  3: 'string',
  4: 'tensor',
  5: 'graph',
  6: 'floats',
  7: 'ints',
  10: 'graphs',
}

/** The kind by the fields that are there: old files do not say it. */
const kindOfField: Readonly<Record<number, AttributeDef['kind']>> = {
  [attributeFields.float]: 'float',
  [attributeFields.int]: 'int',
  [attributeFields.string]: 'string',
  [attributeFields.tensor]: 'tensor',
  [attributeFields.graph]: 'graph',
  [attributeFields.floats]: 'floats',
  [attributeFields.ints]: 'ints',
  [attributeFields.graphs]: 'graphs',
}

class Parser {
  constructor(private readonly file: string) {}

  attribute(proto: Uint8Array, depth: number): AttributeDef {
    let name = ''
    let type = 0
    let text = ''
    let reference = ''
    let seen: AttributeDef['kind'] = 'other'
    let tensor: TensorDef | undefined
    const numbers: number[] = []
    const graphs: GraphDef[] = []
    for (const field of fieldsOf(proto, this.file)) {
      seen = kindOfField[field.number] ?? seen
      if (field.number === attributeFields.name) name = textOf(field)
      else if (field.number === attributeFields.type) type = field.value
      else if (field.number === attributeFields.reference) reference = textOf(field)
      else if (field.number === attributeFields.string) text = textOf(field)
      else if (field.number === attributeFields.int) numbers.push(field.value)
      else if (field.number === attributeFields.ints) numbers.push(...intsOf(field, this.file))
      else if (field.number === attributeFields.float || field.number === attributeFields.floats) numbers.push(...floatsOf(field))
      else if (field.number === attributeFields.tensor) tensor = parseTensor(field.bytes, this.file)
      else if (field.number === attributeFields.graph || field.number === attributeFields.graphs)
        graphs.push(this.graph(field.bytes, depth + 1))
    }
    const kind = kinds[type] ?? seen
    return { name, kind, numbers, text, reference, graphs, proto, ...(tensor === undefined ? {} : { tensor }) }
  }

  node(proto: Uint8Array, depth: number): NodeDef {
    const texts = { [nodeFields.name]: '', [nodeFields.op]: '', [nodeFields.domain]: '', [nodeFields.overload]: '' } as Record<
      number,
      string
    >
    const inputs: string[] = []
    const outputs: string[] = []
    const attributes = new Map<string, AttributeDef>()
    const metadata = new Map<string, string>()
    const rest: Uint8Array[] = []
    for (const field of fieldsOf(proto, this.file)) {
      if (field.wireType === protobuf.BYTES && field.number in texts) texts[field.number] = textOf(field)
      else if (field.number === nodeFields.input) inputs.push(textOf(field))
      else if (field.number === nodeFields.output) outputs.push(textOf(field))
      else if (field.number === nodeFields.attribute) {
        const attribute = this.attribute(field.bytes, depth)
        attributes.set(attribute.name, attribute)
      } else {
        if (field.number === nodeFields.metadata) metadata.set(...entryOf(field, this.file))
        rest.push(field.whole)
      }
    }
    const domain = texts[nodeFields.domain]!
    return {
      name: texts[nodeFields.name]!,
      op: texts[nodeFields.op]!,
      domain: domain === 'ai.onnx' ? '' : domain,
      overload: texts[nodeFields.overload]!,
      inputs,
      outputs,
      attributes,
      metadata,
      rest,
    }
  }

  value(proto: Uint8Array): ValueDef {
    let name = ''
    let type = 0
    let shape: Dim[] | undefined
    for (const field of fieldsOf(proto, this.file)) {
      if (field.number === valueFields.name) name = textOf(field)
      if (field.number !== valueFields.type) continue
      for (const kind of fieldsOf(field.bytes, this.file)) {
        if (kind.number !== 1) continue
        for (const part of fieldsOf(kind.bytes, this.file)) {
          if (part.number === 1) type = part.value
          if (part.number === 2)
            shape = [...fieldsOf(part.bytes, this.file)].filter(dim => dim.number === 1).map(dim => this.dim(dim.bytes))
        }
      }
    }
    return { name, type, proto, ...(shape === undefined ? {} : { shape }) }
  }

  private dim(proto: Uint8Array): Dim {
    let dim: Dim = ''
    for (const field of fieldsOf(proto, this.file)) {
      if (field.number === 1) dim = field.value
      if (field.number === 2) dim = textOf(field)
    }
    if (typeof dim === 'number' && (!Number.isSafeInteger(dim) || dim < 0 || dim > 2 ** 40)) return ''
    return dim
  }

  graph(proto: Uint8Array, depth: number): GraphDef {
    if (depth > mostDepth) throw invalid(this.file, `its graphs are nested more than ${mostDepth} deep`)
    let name = ''
    const nodes: NodeDef[] = []
    const initializers = new Map<string, TensorDef>()
    const inputs: ValueDef[] = []
    const outputs: ValueDef[] = []
    const values = new Map<string, ValueDef>()
    const rest: Uint8Array[] = []
    for (const field of fieldsOf(proto, this.file)) {
      if (field.number === graphFields.name) name = textOf(field)
      else if (field.number === graphFields.node) nodes.push(this.node(field.bytes, depth))
      else if (field.number === graphFields.input) inputs.push(this.value(field.bytes))
      else if (field.number === graphFields.output) outputs.push(this.value(field.bytes))
      else if (field.number === graphFields.initializer) {
        const tensor = parseTensor(field.bytes, this.file)
        initializers.set(tensor.name, tensor)
      } else if (field.number === graphFields.valueInfo) {
        const value = this.value(field.bytes)
        values.set(value.name, value)
      } else rest.push(field.whole)
    }
    return { name, nodes, initializers, inputs, outputs, values, rest }
  }

  function(proto: Uint8Array): FunctionDef {
    const texts = { [functionFields.name]: '', [functionFields.domain]: '', [functionFields.overload]: '' } as Record<number, string>
    const inputs: string[] = []
    const outputs: string[] = []
    const nodes: NodeDef[] = []
    const defaults = new Map<string, AttributeDef>()
    for (const field of fieldsOf(proto, this.file)) {
      if (field.wireType === protobuf.BYTES && field.number in texts) texts[field.number] = textOf(field)
      else if (field.number === functionFields.input) inputs.push(textOf(field))
      else if (field.number === functionFields.output) outputs.push(textOf(field))
      else if (field.number === functionFields.node) nodes.push(this.node(field.bytes, 0))
      else if (field.number === functionFields.attributeProto) {
        const attribute = this.attribute(field.bytes, 0)
        defaults.set(attribute.name, attribute)
      }
    }
    const [name, domain, overload] = [functionFields.name, functionFields.domain, functionFields.overload].map(
      number => texts[number]!,
    ) as [string, string, string]
    return { name, domain, overload, inputs, outputs, defaults, nodes }
  }

  model(proto: Uint8Array): ModelDef {
    let irVersion = 0
    let producer = ''
    let graph: GraphDef | undefined
    const opsets = new Map<string, number>()
    const metadata = new Map<string, string>()
    const functions: FunctionDef[] = []
    for (const field of fieldsOf(proto, this.file)) {
      if (field.number === modelFields.irVersion) irVersion = field.value
      else if (field.number === modelFields.producer || field.number === modelFields.producerVersion)
        producer = `${producer} ${textOf(field)}`.trim()
      else if (field.number === modelFields.graph) graph = this.graph(field.bytes, 0)
      else if (field.number === modelFields.metadata) metadata.set(...entryOf(field, this.file))
      else if (field.number === modelFields.functions) functions.push(this.function(field.bytes))
      else if (field.number === modelFields.opsets) {
        let domain = ''
        let version = 0
        for (const part of fieldsOf(field.bytes, this.file)) {
          if (part.number === 1) domain = textOf(part)
          if (part.number === 2) version = part.value
        }
        opsets.set(domain === 'ai.onnx' ? '' : domain, version)
      }
    }
    if (graph === undefined) throw invalid(this.file, 'it has no graph')
    return { irVersion, producer, opsets, metadata, graph, functions }
  }
}

/**
 * Reads a ModelProto as `readSkeleton` gives it.
 * @param file name in messages
 * @throws LayermillError `ONNX_INVALID`
 */
export function parseModel(proto: Uint8Array, file: string): ModelDef {
  return new Parser(file).model(proto)
}
