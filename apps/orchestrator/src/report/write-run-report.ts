import { type FeatureMap, reportPath, type RunRecord } from '@layermill/contracts'
import { errorMessage, LayermillError } from '@layermill/core'
import type { Store } from '@layermill/storage'
import { openFeatureSet } from '../features/feature-set.js'
import { computeMap } from '../inspect/feature-map.js'
import { writeResultFile } from '../results/result-file.js'
import { thumbnailsOf } from '../results/thumbnails.js'
import type { RunEnvironment } from '../run/environment.js'
import { mapPicture } from './map-picture.js'
import { reportPlace } from './report-place.js'
import { type ReportMap, runReportHtml } from './run-report-html.js'
import { failuresOf, sheetOf } from './sheet.js'

/** Groups of a map's points: labels by their names, else clusters. */
function grouped({ labels = [], names = [], clusters = [] }: FeatureMap): { groups: readonly number[]; of: readonly string[] } {
  if (names.length < 2) {
    const most = clusters.reduce((best, cluster) => Math.max(best, cluster), 0)
    return { groups: clusters, of: most === 0 ? [] : Array.from({ length: most + 1 }, (_, i) => `cluster ${i + 1}`) }
  }
  const counts = new Map<number, number>()
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1)
  // Of more labels than colours the largest have their own.
  const order = names.map((_, i) => i).toSorted((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0) || (names[a]! < names[b]! ? -1 : 1))
  const ranks = new Map(order.map((label, rank) => [label, rank]))
  return { groups: labels.map(label => ranks.get(label) ?? -1), of: order.map(label => names[label]!) }
}

/** The map of the run's last layer; the reason in words where there is none. */
async function mapOf(record: RunRecord, store: Store, signal: AbortSignal): Promise<ReportMap | string | undefined> {
  if (record.spec.kind !== 'extract') return undefined
  if (record.counts.done < 3) return 'A map needs three images.'
  try {
    const set = await openFeatureSet(store, record.layers.at(-1)?.name)
    const map = await computeMap(set, () => undefined, signal)
    const { groups, of } = grouped(map)
    return { layer: map.layer, picture: await mapPicture(map, groups), images: map.images, shown: map.shown, groups: of }
  } catch (error) {
    if (!(error instanceof LayermillError) || signal.aborted) throw error
    return `There is no map: ${errorMessage(error)}`
  }
}

/**
 * Writes the report of a finished extraction (`report.html` in its folder) or prediction (beside its file). Pictures that are gone by now
 * are missing in it.
 * @throws LayermillError as the store does; the signal's reason
 */
export async function writeRunReport(
  record: RunRecord,
  store: Store,
  environment: Pick<RunEnvironment, 'openSource'>,
  signal: AbortSignal,
): Promise<void> {
  const { spec } = record
  const [sheet, failures] = [await sheetOf(spec, store), await failuresOf(store)]
  signal.throwIfAborted()
  const keys = [...new Set([...sheet.images, ...sheet.mistakes, ...failures.first].map(({ key }) => key))]
  await using source = await environment.openSource(spec.source, spec)
  const found = await thumbnailsOf(keys, source, spec)
  const pictures = new Map(keys.map((key, i) => [key, found[i]]))
  const map = await mapOf(record, store, signal)
  const html = runReportHtml({ record, sheet, failures, map, picture: key => pictures.get(key) })
  if (spec.kind === 'predict') await writeResultFile(reportPlace(spec)!, html)
  else await store.put(reportPath, html, { contentType: 'text/html; charset=utf-8' })
}
