import type { FinetuneSpec } from '@layermill/contracts'
import type { Store } from '@layermill/storage'
import { keysWithout, newLabels, readAudited } from '../run/audited-images.js'

/** Changes of a dataset by what an audit found. */
export interface Corrections {
  readonly without?: ReadonlySet<string>
  readonly labels?: ReadonlyMap<string, string>
}

/**
 * Changes that a spec asks for.
 * @throws LayermillError `FILE_MISSING`, `LIST_INVALID`, `SPEC_INVALID`; as the store does
 */
export async function correctionsOf(
  { without, relabel, worst }: Pick<FinetuneSpec, 'without' | 'relabel' | 'worst'>,
  openStore: (url: string) => Promise<Store>,
): Promise<Corrections> {
  return {
    ...(without === undefined ? {} : { without: keysWithout(await readAudited(without, openStore), worst, without) }),
    ...(relabel === undefined ? {} : { labels: newLabels(await readAudited(relabel, openStore), worst, relabel) }),
  }
}

/** Sentences on what was changed of the images that were listed. */
export function correctionNotes({ without, labels }: Corrections, keys: ReadonlySet<string>, leftOut: number): string[] {
  const given = [...(labels?.keys() ?? [])].filter(key => keys.has(key)).length
  return [
    ...(without === undefined ? [] : [`--without leaves out ${leftOut} of the ${without.size} images that its file names`]),
    ...(labels === undefined ? [] : [`--relabel changes the labels of ${given} of the ${labels.size} images that its file names`]),
  ]
}
