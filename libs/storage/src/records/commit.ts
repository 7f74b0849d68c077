import { createHash } from 'node:crypto'
import type { ComputedBy } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { Fields } from './fields.js'

/** A file that a part consists of. */
export interface CommittedFile {
  /** Relative to the run's folder. */
  readonly path: string
  readonly bytes: number
  /** 64 hexadecimal digits. */
  readonly sha256: string
}

/**
 * The record that makes a part exist. Besides the worker's name and its kind it holds nothing that depends on who computed the part or
 * when: two workers that finish the same part write the same files.
 */
export interface CommitRecord {
  readonly part: number
  /** Rows in the features and the index. */
  readonly images: number
  /** Rows in the errors. */
  readonly failed: number
  /** Values of its features that are NaN or infinite; left out where there are none. */
  readonly overflow?: number
  readonly files: readonly CommittedFile[]
  /** The worker of a fleet that computed it, as it names itself to others. */
  readonly worker?: string
  /** Left out by earlier versions. */
  readonly computedBy?: ComputedBy
  /** Reason for which a network's file was computed one image at a time; only where it was. */
  readonly oneByOne?: string
}

export function sha256Hex(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** A file's entry in a commit record. */
export function committedFile(path: string, bytes: Uint8Array): CommittedFile {
  return { path, bytes: bytes.byteLength, sha256: sha256Hex(bytes) }
}

const ordered = ({ engine, version, device, cpu }: ComputedBy): ComputedBy => ({ engine, version, device, cpu })

/** `commits/part-N.json`; files in the order of their paths, so that the same part gives the same bytes. */
export function encodeCommit({ part, images, failed, overflow, files, worker, computedBy, oneByOne }: CommitRecord): string {
  const sorted = files
    .map(({ path, bytes, sha256 }) => ({ path, bytes, sha256 }))
    .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
  return `${JSON.stringify({ part, images, failed, overflow, files: sorted, ...(worker === undefined ? {} : { worker }), computedBy: computedBy && ordered(computedBy), oneByOne }, undefined, 2)}\n`
}

/** @throws LayermillError `RECORD_INVALID` */
export function parseCommit(bytes: Uint8Array | string, name: string): CommitRecord {
  const fields = Fields.parse(typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8'), name)
  const files = fields.array('files').map((value, index) => {
    const file = Fields.of(value, `${name}: files[${index}]`)
    const sha256 = file.string('sha256')
    if (!/^[0-9a-f]{64}$/.test(sha256))
      throw new LayermillError('RECORD_INVALID', `${name}: files[${index}]: sha256 is not 64 hexadecimal digits`)
    return { path: file.string('path'), bytes: file.count('bytes'), sha256 }
  })
  const worker = fields.optionalString('worker')
  const overflow = fields.optionalCount('overflow')
  const by = fields.optionalObject('computedBy')
  const computedBy = by && {
    engine: by.string('engine'),
    version: by.string('version'),
    device: by.string('device'),
    cpu: by.string('cpu'),
  }
  const oneByOne = fields.optionalString('oneByOne')
  const optional = {
    ...(oneByOne === undefined ? {} : { oneByOne }),
    ...(overflow === undefined ? {} : { overflow }),
    ...(worker === undefined ? {} : { worker }),
    ...(computedBy === undefined ? {} : { computedBy }),
  }
  return { part: fields.count('part'), images: fields.count('images'), failed: fields.count('failed'), ...optional, files }
}

/** A part's counts, and what computed it. */
export function countsOf({
  images,
  failed,
  overflow,
  computedBy,
  oneByOne,
}: CommitRecord): Pick<CommitRecord, 'images' | 'failed' | 'overflow' | 'computedBy' | 'oneByOne'> {
  return {
    images,
    failed,
    ...(overflow === undefined ? {} : { overflow }),
    ...(computedBy === undefined ? {} : { computedBy }),
    ...(oneByOne === undefined ? {} : { oneByOne }),
  }
}
