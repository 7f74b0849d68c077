import { stat } from 'node:fs/promises'
import { LayermillError } from '@layermill/core'
import { classFolders, compareUtf8, type ImageSource, LeftOut, listImages, type ManifestRow } from '@layermill/storage'
import { stratifiedSplit } from '@layermill/training'
import { orderClasses } from './class-order.js'

/** An image with its class. */
export type LabelledRow = ManifestRow & { readonly label: string }

const some = (names: readonly string[]): string => `${names.slice(0, 3).join(', ')}${names.length > 3 ? ', ...' : ''}`

const labelHint =
  'put the images into one folder for each class, or list them in a .csv or .jsonl file with a label column; --skip-unlabelled leaves out images without a label'

export interface LabelledListing {
  /** Left-out files are an error. */
  readonly strict?: boolean | undefined
  /** Images without a label are left out, not an error. */
  readonly skipUnlabelled?: boolean | undefined
  /** Images to leave out, by key. */
  readonly without?: ReadonlySet<string> | undefined
  /** Labels that replace those of the dataset, by key. */
  readonly labels?: ReadonlyMap<string, string> | undefined
  /** Filled with what is not taken. */
  readonly leftOut?: LeftOut
}

/**
 * All images of a source with their labels, in the order of their keys.
 * @throws LayermillError `LABEL_MISSING` where some have none; as the source does
 */
export async function listLabelled(source: ImageSource, where: string, listing: LabelledListing = {}): Promise<LabelledRow[]> {
  const { strict = false, skipUnlabelled = false, without, labels, leftOut = new LeftOut() } = listing
  const rows: LabelledRow[] = []
  const unlabelled: string[] = []
  for await (const { key, etag, bytes, label: own, at } of listImages(source, { strict, without, leftOut })) {
    const label = labels?.get(key) ?? own
    const isLabelled = label !== undefined && label !== ''
    if (isLabelled) rows.push({ key, etag, bytes, label, ...(at === undefined ? {} : { at }) })
    else if (skipUnlabelled) leftOut.add('without a label', key, true)
    else unlabelled.push(key)
  }
  if (unlabelled.length === 0) return rows.toSorted((a, b) => compareUtf8(a.key, b.key))
  const [missing, all] = [unlabelled.length, unlabelled.length + rows.length]
  const none = all === 1 ? `the only image in ${where} has no label` : `none of the ${all} images in ${where} has a label`
  const which =
    missing === all ? none : `${missing} of ${all} images in ${where} ${missing === 1 ? 'has' : 'have'} no label: ${some(unlabelled)}`
  throw new LayermillError('LABEL_MISSING', which, { hint: labelHint })
}

/**
 * The classes of images, in the order of `orderClasses`: what the scores of the network are of.
 * @param known the dataset's own order of its classes, where it has one
 * @param least classes that it must have
 * @throws LayermillError `CLASS_TOO_FEW`
 */
export function findClasses(rows: readonly LabelledRow[], where: string, known?: readonly string[], least = 2): string[] {
  const classes = orderClasses(
    rows.map(({ label }) => label),
    known,
  )
  if (classes.length >= least) return classes
  const found = `${rows.length} image${rows.length === 1 ? '' : 's'} of the class ${classes[0] ?? '(none)'}`
  throw new LayermillError('CLASS_TOO_FEW', `${where} has ${found} only; expected two classes or more`, { hint: labelHint })
}

/**
 * Throws where a local folder has folders that would be classes and hold no images.
 * @throws LayermillError `CLASS_EMPTY`
 */
export async function checkNoFolderEmpty(source: string, classes: readonly string[]): Promise<void> {
  const empty = await emptyClassFolders(source, classes)
  if (empty.length === 0) return
  throw new LayermillError('CLASS_EMPTY', `${source} has folders without images: ${empty.join(', ')}`, {
    hint: 'add images to them, or remove them',
  })
}

async function emptyClassFolders(source: string, classes: readonly string[]): Promise<string[]> {
  const info = await stat(source).catch(() => undefined)
  if (info?.isDirectory() !== true) return []
  return (await classFolders(source)).filter(name => !classes.includes(name)).sort(compareUtf8)
}

/** Names that datasets give to their splits. */
const splitNames = new Set(['train', 'training', 'trn', 'val', 'valid', 'validation', 'dev', 'test', 'testing', 'eval'])

/** A sentence where all classes of a folder or bucket look like the splits of a dataset; undefined where they do not. */
export function splitsAsClasses(source: string, classes: readonly string[]): string | undefined {
  if (!classes.every(name => splitNames.has(name.toLowerCase()))) return undefined
  const training = classes.find(name => /^tr/i.test(name)) ?? classes[0] ?? ''
  const others = classes.filter(name => name !== training)
  // A test set stays unseen where there is another one to validate on.
  const held = others.find(name => /^(val|dev)/i.test(name)) ?? others[0]
  const place = source.replace(/\/+$/, '')
  const looks = classes.length === 1 ? 'which looks like a part' : 'which look like the parts'
  const meant =
    held === undefined
      ? `finetune ${place}/${training}`
      : `to train on one and hold another out, finetune ${place}/${training} --validation ${place}/${held}`
  return `the class${classes.length === 1 ? ' is' : 'es are'} ${classes.join(', ')}, ${looks} of a dataset: ${meant}`
}

/**
 * Throws where a class has lost all its images, or never had any.
 * @throws LayermillError `CLASS_EMPTY`
 */
export function checkNoClassEmpty(classes: readonly string[], rows: readonly LabelledRow[], where: string): void {
  const present = new Set(rows.map(({ label }) => label))
  const empty = classes.filter(name => !present.has(name))
  if (empty.length === 0) return
  throw new LayermillError('CLASS_EMPTY', `no image in ${where} can be used of the class${empty.length > 1 ? 'es' : ''} ${some(empty)}`, {
    hint: 'add images to it, or take its folder or rows away',
  })
}

export interface TrainingSplit {
  readonly training: readonly LabelledRow[]
  readonly validation: readonly LabelledRow[]
  /** Warnings about the split, in sentences. */
  readonly warnings: readonly string[]
}

/** Holds a share of each class out, by a hash of the key. */
export function holdOut(rows: readonly LabelledRow[], classes: readonly string[], share: number): TrainingSplit {
  const indices = new Map(classes.map((name, i) => [name, i]))
  const { training, validation } = stratifiedSplit(
    rows.map(row => ({ key: row.key, label: indices.get(row.label)!, row })),
    share,
  )
  const held = new Set(validation.map(({ row }) => row.label))
  const single = share === 0 ? [] : classes.filter(name => !held.has(name))
  return {
    training: training.map(({ row }) => row),
    validation: validation.map(({ row }) => row),
    warnings:
      single.length === 0
        ? []
        : [
            `${some(single)}: a single image, which is trained on; nothing of ${single.length > 1 ? 'these classes' : 'this class'} is held out`,
          ],
  }
}

/**
 * Puts together images to train on and held-out ones of a source of their own.
 * @throws LayermillError `VALIDATION_INVALID` for a class that is not trained
 */
export function ownValidation(
  training: readonly LabelledRow[],
  validation: readonly LabelledRow[],
  classes: readonly string[],
  where: string,
): TrainingSplit {
  const unknown = [...new Set(validation.map(({ label }) => label))].filter(name => !classes.includes(name))
  if (unknown.length > 0) {
    throw new LayermillError(
      'VALIDATION_INVALID',
      `${where} has the class${unknown.length > 1 ? 'es' : ''} ${some(unknown)}, which no training image has; expected ${some(classes)}`,
      { hint: 'take its images out of the held-out ones, or add some to the training images' },
    )
  }
  const present = new Set(validation.map(({ label }) => label))
  const absent = classes.filter(name => !present.has(name))
  return {
    training,
    validation,
    warnings:
      absent.length === 0
        ? []
        : [`${where} has no image of ${some(absent)}: how well ${absent.length > 1 ? 'they are' : 'it is'} recognised will not be known`],
  }
}
