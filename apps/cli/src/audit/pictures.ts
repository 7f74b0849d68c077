import type { RunSpec } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { thumbnailsOf } from '@layermill/orchestrator/results'
import { type ImageSource, openSource } from '@layermill/storage'
import type { AuditedImages, AuditOptions, Finding } from './findings.js'
import { findingKinds } from './findings.js'
import type { KeptAudit } from './kept.js'
import { qualitiesOf, qualityFindings } from './quality.js'
import { shownOf } from './report.js'

/** Findings of the pictures themselves, and small ones of those that a report shows. */
export interface Pictured {
  readonly findings: readonly Finding[]
  readonly pictures: ReadonlyMap<string, Uint8Array>
  /** Images that could not be read. */
  readonly unread: number
}

type Options = Pick<AuditOptions, 'isDismissed' | 'onProgress' | 'signal'> & {
  /** Findings whose pictures are shown; none: no report. */
  readonly others: readonly Finding[] | undefined
  /** Images that a list may name. */
  readonly allows?: ((place: string) => boolean) | undefined
  /** Has measures of pictures that an earlier audit read. */
  readonly kept?: Pick<KeptAudit, 'qualitiesFor'> | undefined
}

async function look(images: AuditedImages, source: ImageSource, spec: RunSpec, options: Options): Promise<Pictured> {
  const measure = (keys: readonly string[]): ReturnType<typeof qualitiesOf> => qualitiesOf(keys, source, spec, options)
  const { kept } = options
  const qualities =
    kept === undefined ? await measure(images.keys) : await kept.qualitiesFor(rows => measure(rows.map(row => images.keys[row]!)))
  const findings = qualityFindings(images, qualities, options.isDismissed)
  const pictures = new Map<string, Uint8Array>()
  if (options.others !== undefined) {
    const all = [...options.others, ...findings]
    const keys = [...new Set(findingKinds.flatMap(kind => shownOf(all, kind).map(({ key }) => key)))]
    for (const [i, bytes] of (await thumbnailsOf(keys, source, spec)).entries()) if (bytes !== undefined) pictures.set(keys[i]!, bytes)
  }
  return { findings, pictures, unread: qualities.filter(quality => quality === undefined).length }
}

/**
 * Reads the pictures of images: features outlive them, so where they are gone sizes alone tell something.
 * @param place source of the pictures; undefined: they are not read
 */
export async function lookAtPictures(images: AuditedImages, place: string | undefined, spec: RunSpec, options: Options): Promise<Pictured> {
  const unread = { findings: qualityFindings(images, [], options.isDismissed), pictures: new Map<string, Uint8Array>() }
  if (place === undefined) return { ...unread, unread: 0 }
  try {
    await using source = await openSource(place, { access: spec, allows: options.allows })
    return await look(images, source, spec, options)
  } catch (error) {
    if (!(error instanceof LayermillError) || options.signal.aborted) throw error
    return { ...unread, unread: images.keys.length }
  }
}
