import { imageLimits } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { FeatureSet, SearchResult } from '@layermill/orchestrator/features'
import { definitions, escapeHtml, inlinePicture, page, pictureCard, thumbnailsOf } from '@layermill/orchestrator/results'
import { thumbnail } from '@layermill/preprocess'
import { type ImageSource, openSource } from '@layermill/storage'
import { queryBytes } from '../../features/query.js'
import type { SimilarOptions } from './similar-options.js'

/** Images on a sheet. */
const mostShown = 200
/** Longer side of the picture that is looked for, in pixels. */
const querySide = 320

/** The pictures of a sheet; those that cannot be read or decoded any more are undefined. */
async function pictures(set: FeatureSet, image: string | undefined, keys: readonly string[], options: SimilarOptions) {
  const { spec } = set.record
  const look = async (source: ImageSource) => {
    const query = await queryBytes(image, source, options)
      .then(bytes => thumbnail(bytes, querySide, { autoOrient: spec.autoOrient, timeoutMs: imageLimits(spec).timeoutMs }))
      .catch(() => undefined)
    return { query, found: await thumbnailsOf(keys, source, spec) }
  }
  try {
    await using source = await openSource(spec.source, { access: spec })
    return await look(source)
  } catch (error) {
    // Features outlive their images; the sheet then has names and distances.
    if (!(error instanceof LayermillError)) throw error
    return { query: undefined, found: keys.map(() => undefined) }
  }
}

/** A search as one HTML file that needs no other: the picture that was looked for and those that are nearest, with their distances. */
export async function similarReport(
  set: FeatureSet,
  image: string | undefined,
  { neighbours, images }: SearchResult,
  options: SimilarOptions,
): Promise<string> {
  const shown = neighbours.slice(0, mostShown)
  const { query, found } = await pictures(
    set,
    image,
    shown.map(({ key }) => key),
    options,
  )
  const cards = shown.map(({ key, label, distance }, i) => {
    const name = label === undefined ? '' : ` ${escapeHtml(label)}`
    return pictureCard([found[i]], `<b>${i + 1}</b>${name} · ${distance.toFixed(distance < 1000 ? 5 : 1)}`, key)
  })
  const more = neighbours.length > shown.length ? `<p class="soft">The first ${shown.length} of ${neighbours.length}.</p>` : ''
  const name = image ?? options.key!
  return page(
    `Nearest to ${name}`,
    `<div class="query">${inlinePicture(query, name)}</div>
<h2>Nearest images</h2><p class="soft">Of ${images.toLocaleString('en-US')}, each with its distance.</p>
<div class="mistakes">${cards.join('\n')}</div>${more}
<h2>Settings</h2>${definitions('facts', [
      ['features', set.store.url],
      ['layer', set.layer.name],
      ['metric', options.metric],
      ['model', set.record.spec.model],
      ['weights', set.record.spec.weights],
    ])}`,
  )
}
