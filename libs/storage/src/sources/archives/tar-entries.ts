import { LayermillError } from '@layermill/core'
import { type Shard, type ShardPlace, whileListing } from './shards.js'
import { tarBlockBytes, goesOn, isZero, nameOf, readPax, readTarHeader, type TarHeader } from './tar-header.js'

/** A member of a tar: its name as written, and where its bytes are. */
export interface TarEntry {
  readonly name: string
  /** Of its first byte, from the start of the tar. */
  readonly offset: number
  readonly bytes: number
  /** Whether it is an ordinary file: no link, folder, device or sparse file. */
  readonly isFile: boolean
}

/** Long names and pax fields are short; a megabyte of them is an attack. */
const longestExtension = 1024 * 1024

/** Reads a tar from front to back, a window of bytes at a time; the windows that lie wholly in a body are never asked for. */
export class TarReader {
  private start = 0
  private held = new Uint8Array()

  constructor(
    private readonly place: ShardPlace,
    readonly shard: Shard,
  ) {}

  /** @throws LayermillError `ARCHIVE_INVALID` where the tar ends before `end` */
  async bytes(start: number, end: number): Promise<Uint8Array> {
    if (end > this.shard.bytes)
      throw this.invalid(start, `the file ends at byte ${this.shard.bytes}, expected ${end} or more: it is truncated`)
    if (start < this.start || end > this.start + this.held.byteLength) {
      const upTo = Math.min(this.shard.bytes, Math.max(end, start + this.place.window))
      this.held = Uint8Array.from(await whileListing(async () => this.place.range(this.shard, start, upTo)))
      this.start = start
      if (this.held.byteLength !== upTo - start) throw this.invalid(start, 'the file has become shorter')
    }
    return this.held.subarray(start - this.start, end - this.start)
  }

  invalid(offset: number, what: string): LayermillError {
    return new LayermillError('ARCHIVE_INVALID', `${this.place.url}: ${this.shard.name} at byte ${offset}: ${what}`, {
      hint: 'Copy or make the archive again.',
    })
  }

  /**
   * The members, in their order.
   *
   * @throws LayermillError `ARCHIVE_INVALID` with the archive and the byte, `SOURCE_CHANGED`, `SOURCE_UNREACHABLE`
   */
  async *entries(): AsyncGenerator<TarEntry> {
    let extended: Extension = {}
    for (let at = 0; ;) {
      const block = await this.bytes(at, at + tarBlockBytes)
      if (isZero(block)) return
      const header = readTarHeader(block)
      if (header === undefined) throw this.invalid(at, 'this is not the header of a tar member')
      let body = at + tarBlockBytes
      if (header.type === 'S') body = await this.skipSparse(block, body)
      const size = isExtension(header) ? header.size : (extended.size ?? header.size)
      const end = body + size
      if (end > this.shard.bytes) {
        throw this.invalid(at, `${JSON.stringify(header.name)} ends at byte ${end}, the file at ${this.shard.bytes}: it is truncated`)
      }
      at = body + Math.ceil(size / tarBlockBytes) * tarBlockBytes
      if (isExtension(header)) {
        extended = await this.extend(extended, header, body)
        continue
      }
      const name = extended.name ?? header.name
      const isFile = (header.type === '0' || header.type === '7') && extended.sparse !== true && !name.endsWith('/')
      yield { name, offset: body, bytes: size, isFile }
      extended = {}
    }
  }

  private async skipSparse(header: Uint8Array, start: number): Promise<number> {
    let at = start
    for (let more = goesOn(header, 482); more; at += tarBlockBytes) more = goesOn(await this.bytes(at, at + tarBlockBytes), 504)
    return at
  }

  private async extend(extended: Extension, { type, size }: TarHeader, at: number): Promise<Extension> {
    if (type === 'K' || type === 'g') return extended
    if (size > longestExtension) throw this.invalid(at, `a name or header of ${size} bytes; expected at most ${longestExtension}`)
    const bytes = await this.bytes(at, at + size)
    if (type === 'L') return { ...extended, name: nameOf(bytes) }
    const fields = readPax(bytes)
    if (fields === undefined) throw this.invalid(at, 'a pax header that cannot be read')
    const stated = fields.get('size')
    if (stated !== undefined && !/^\d{1,15}$/.test(stated)) throw this.invalid(at, `a pax size of ${JSON.stringify(stated)}`)
    return {
      name: fields.get('path') ?? extended.name,
      size: stated === undefined ? extended.size : Number(stated),
      sparse: [...fields.keys()].some(key => key.startsWith('GNU.sparse.')),
    }
  }
}

/** Facts of a member from the headers before its own. */
interface Extension {
  readonly name?: string | undefined
  readonly size?: number | undefined
  readonly sparse?: boolean
}

const isExtension = ({ type }: TarHeader): boolean => type === 'L' || type === 'K' || type === 'x' || type === 'g'
