import { LayermillError } from '@layermill/core'
import { leftOutText } from '@layermill/models'
import type { LeftOut } from './left-out.js'
import type { ImageSource, SourceItem } from './source.js'

/** How a dataset is listed. */
export interface ListingOptions {
  /** Goes on behind this key. */
  readonly after?: string | undefined
  /** Left-out files are an error. */
  readonly strict?: boolean
  /** Images to leave out, by key. */
  readonly without?: ReadonlySet<string> | undefined
  /** Filled while the listing is read. */
  readonly leftOut: LeftOut
}

/**
 * A source's images, with what it leaves out counted. With `strict` nothing is given any more once something was left out: the rest is
 * looked through, so that the error names all of it.
 *
 * @throws LayermillError `SOURCE_LEFT_OUT` with `strict`; as the source does
 */
export async function* listImages(
  source: ImageSource,
  { after, strict = false, without, leftOut }: ListingOptions,
): AsyncGenerator<SourceItem> {
  try {
    for await (const item of source.items({ ...(after === undefined ? {} : { after }), leftOut })) {
      if (without?.has(item.key) === true) leftOut.add('named by --without', item.key, true)
      else if (!strict || !leftOut.isUnexpected) yield item
    }
  } catch (error) {
    // That nothing is left then is for the same reason.
    if (!(strict && leftOut.isUnexpected && error instanceof LayermillError && error.code === 'SOURCE_EMPTY')) throw error
  }
  if (!strict || !leftOut.isUnexpected) return
  throw new LayermillError(
    'SOURCE_LEFT_OUT',
    `${source.url}: --strict, and these would be left out: ${leftOutText(leftOut.table().filter(({ expected }) => expected !== true))}`,
    {
      hint: 'Take them out of the source, name images of other extensions in a list, or leave out --strict.',
    },
  )
}
