import {
  concatenate,
  intField,
  type Message,
  message,
  messageField,
  protobuf,
  type ProtobufField,
  ProtobufReader,
  type RandomAccess,
  readBytes,
} from '@layermill/core'
import { invalid } from '../invalid.js'
import { attributeFields, functionFields, graphFields, modelFields, nodeFields, tensorFields } from './fields.js'

/** Contents of a tensor of at least this many bytes stay in the file. */
const liftedBytes = 1024
/** Messages of fewer bytes are taken as they are. */
const wholeBytes = 2048
/** Bytes of a graph without the contents of its tensors. Those of published networks have at most a few million. */
const mostBytes = 512 * 1024 * 1024

type Children = ReadonlyMap<number, MessageKind>
type MessageKind = 'graph' | 'function' | 'node' | 'attribute' | 'tensor'

/** Messages that may hold tensors, by field. Graphs within attributes are not among them: they stay as they are. */
const children: Readonly<Record<Exclude<MessageKind, 'tensor'> | 'model', Children>> = {
  model: new Map([
    [modelFields.graph, 'graph'],
    [modelFields.functions, 'function'],
  ]),
  graph: new Map([
    [graphFields.node, 'node'],
    [graphFields.initializer, 'tensor'],
  ]),
  function: new Map([[functionFields.node, 'node']]),
  node: new Map([[nodeFields.attribute, 'attribute']]),
  attribute: new Map([[attributeFields.tensor, 'tensor']]),
}

/** Reads the file's message without the contents of its large tensors, which are replaced by their places in the file. */
class SkeletonReader {
  private readonly reader: ProtobufReader
  private bytes = 0

  constructor(private readonly file: RandomAccess) {
    this.reader = new ProtobufReader(file, reason => invalid(file.name, reason))
  }

  async read(): Promise<Uint8Array> {
    return concatenate(await this.message('model', 0, this.file.size))
  }

  private async message(kind: Exclude<MessageKind, 'tensor'> | 'model', start: number, end: number): Promise<Message> {
    const parts: Message[] = []
    // Fields beside each other that are taken as they are, as one piece of the file.
    let from = start
    for (let position = start; position < end;) {
      const field = await this.reader.field(position, end)
      const child = field.wireType === protobuf.BYTES ? children[kind].get(field.number) : undefined
      if (child !== undefined && field.end - field.start >= wholeBytes) {
        if (position > from) parts.push(await this.copy(from, position))
        const inner = child === 'tensor' ? await this.tensor(field) : await this.message(child, field.start, field.end)
        parts.push(messageField(field.number, inner))
        from = field.end
      }
      position = field.end
    }
    if (end > from) parts.push(await this.copy(from, end))
    return message(parts)
  }

  private async tensor({ start, end }: ProtobufField): Promise<Message> {
    let type = 0
    const fields: { field: ProtobufField; start: number }[] = []
    for (let position = start; position < end;) {
      const field = await this.reader.field(position, end)
      if (field.number === tensorFields.type && field.wireType === protobuf.VARINT) type = field.value
      fields.push({ field, start: position })
      position = field.end
    }
    const contents = fields.filter(({ field }) => isContents(field, type))
    const lifted = contents.length === 1 && contents[0]!.field.end - contents[0]!.field.start >= liftedBytes ? contents[0] : undefined
    const parts: Message[] = []
    for (const entry of fields) {
      if (entry === lifted)
        parts.push(intField(tensorFields.place, entry.field.start), intField(tensorFields.placeBytes, entry.field.end - entry.field.start))
      // The two private fields are written here alone.
      else if (entry.field.number !== tensorFields.place && entry.field.number !== tensorFields.placeBytes)
        parts.push(await this.copy(entry.start, entry.field.end))
    }
    return message(parts)
  }

  private async copy(start: number, end: number): Promise<Message> {
    this.bytes += end - start
    if (this.bytes > mostBytes) throw invalid(this.file.name, `its graph has more than ${mostBytes} bytes beside its tensors`)
    const bytes = await readBytes(this.file, start, end - start)
    return { bytes: bytes.length, chunks: [bytes] }
  }
}

/** Whether a field holds a tensor's numbers in the layout of raw data: packed floats and doubles have it too. */
function isContents({ number, wireType }: ProtobufField, type: number): boolean {
  if (wireType !== protobuf.BYTES) return false
  return number === tensorFields.raw || (number === tensorFields.floats && type === 1) || (number === tensorFields.doubles && type === 11)
}

/**
 * The file's ModelProto without the contents of its large tensors: each has its place in the file instead (`TENSOR.place`). So a model of
 * gigabytes is read in the bytes of its graph.
 * @throws LayermillError `ONNX_INVALID`, `WEIGHTS_TRUNCATED`
 */
export function readSkeleton(file: RandomAccess): Promise<Uint8Array> {
  return new SkeletonReader(file).read()
}
