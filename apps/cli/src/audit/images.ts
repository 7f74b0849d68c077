import type { RunSpec } from '@layermill/contracts'
import { absolutePlace, LayermillError } from '@layermill/core'
import { openSource, readIndex } from '@layermill/storage'
import { openSets } from '../compare/feature-sets.js'
import { withFeatures } from '../features/open-features.js'
import type { Output } from '../output/output.js'
import type { AuditedImages } from './findings.js'

/** Labels of another source by key. */
async function labelsOf(source: string): Promise<Map<string, string | undefined>> {
  await using opened = await openSource(absolutePlace(source, process.cwd()))
  const labels = new Map<string, string | undefined>()
  for await (const item of opened.items()) labels.set(item.key, item.label)
  return labels
}

/** Run whose images are looked at. */
export interface AuditSource {
  readonly features: string
  readonly layer?: string
}

/** Images that are open, with their files. */
export interface OpenedImages extends AsyncDisposable {
  readonly images: AuditedImages
  readonly layer: string
  /** Of the run that computed the features: its source has the pictures. */
  readonly spec: RunSpec
}

/**
 * Images of a run with the features of one layer.
 * @param source the same images with other labels; the run's own where left out
 * @throws LayermillError `ROW_INVALID` where it has labels for none of them; as the run's files do
 */
export async function auditedImages(output: Output, options: AuditSource, source: string | undefined): Promise<OpenedImages> {
  const place = absolutePlace(options.features, process.cwd())
  const index = await withFeatures(output, place, options.layer, async set => {
    const rows = []
    for (const part of set.parts) rows.push(...(await readIndex(set.store, part)))
    return { layer: set.layer.name, rows, spec: set.record.spec }
  })
  const opened = await openSets([options.features], index.layer)
  const given = source === undefined ? undefined : await labelsOf(source)
  const images: AuditedImages = {
    source: opened.sets[0]!.source,
    keys: index.rows.map(({ key }) => key),
    labels: index.rows.map(({ key, label }) => (given === undefined ? label : given.get(key))),
    sha256: index.rows.map(({ sha256 }) => sha256),
    sizes: index.rows,
  }
  if (given !== undefined && images.labels.every(label => label === undefined)) {
    throw new LayermillError('ROW_INVALID', `${source} has labels for none of the images of ${options.features}`, {
      hint: `keys there are like ${[...given.keys()][0] ?? 'none'}, here like ${images.keys[0]}`,
    })
  }
  return { images, layer: index.layer, spec: index.spec, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() }
}
