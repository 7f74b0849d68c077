import { createHash } from 'node:crypto'
import {
  errorsPath,
  type FinetuneSpec,
  imageLimits,
  parseTrainingPlan,
  type RunRecord,
  serializeJsonRecord,
  trainingPlanPath,
  trainingRowsPath,
  type TrainingPlan,
  validationRowsPath,
} from '@layermill/contracts'
import { elementCount, LayermillError } from '@layermill/core'
import type { Network } from '@layermill/models'
import { encodeErrors, encodeManifest, type ErrorRow, LeftOut, type ManifestRow, parseManifest, type Store } from '@layermill/storage'
import { leftOutFiles } from '../run/manifest-plan.js'
import { writeRunRecord } from '../run/record-store.js'
import { continuedNetwork, headNotes } from './continued-head.js'
import { correctionNotes, correctionsOf } from './corrections.js'
import { ownOrder } from './class-order.js'
import { accessOf } from '../run/source-access.js'
import { checkErrors, unusableImages } from './check-images.js'
import { checkNoFolderEmpty, type LabelledRow, listLabelled, splitsAsClasses } from './dataset.js'
import type { FeatureStores } from './environment.js'
import { featureErrors, type FeatureRunOptions, runFeatures } from './feature-runs.js'
import { baseIsFixed, featuresLayer, trainedNetwork, trainingPlan } from './plan.js'
import { featureStandard, firstLinear } from './standardize.js'
import { checkTargets, foldOf, holdOutTargets, outputNames, ownTargets, readTargets, type TargetRows } from './targets.js'

export interface PrepareOptions extends FeatureRunOptions {
  readonly base: Network
  /** Computes from images also where the base does not change. */
  readonly generalPath: boolean
  readonly onWarning: (text: string) => void
  readonly onNote: (text: string) => void
}

export interface PreparedTraining {
  readonly record: RunRecord
  readonly plan: TrainingPlan
  readonly training: readonly ManifestRow[]
  readonly validation: readonly ManifestRow[]
  readonly features: FeatureStores | undefined
}

/** Images of one source that can be used, and why the others cannot. */
interface Usable {
  readonly rows: LabelledRow[]
  readonly errors: ErrorRow[]
}

/** Lists and checks a run's images and computes what does not change, in the order in which a command should fail. */
class Preparation {
  private readonly spec: FinetuneSpec
  private readonly fixed: boolean
  private readonly leftOut = new LeftOut()

  constructor(private readonly options: PrepareOptions) {
    this.spec = options.record.spec as FinetuneSpec
    this.fixed = baseIsFixed(this.spec) && !options.generalPath
  }

  async prepare(): Promise<PreparedTraining> {
    const bytes = await this.options.store.get(trainingPlanPath)
    const prepared = bytes === undefined ? await this.plan() : await this.reopen(parseTrainingPlan(bytes, this.options.store.url))
    const features = this.fixed ? await this.features(prepared) : undefined
    return { ...prepared, features }
  }

  private async reopen(plan: TrainingPlan): Promise<Omit<PreparedTraining, 'features'>> {
    const { store, record } = this.options
    const rows = async (path: string): Promise<ManifestRow[]> => {
      const bytes = await store.get(path)
      if (bytes === undefined) throw new LayermillError('FILE_MISSING', `${store.url}: no ${path}`)
      return parseManifest(bytes, `${store.url}/${path}`)
    }
    return { record, plan, training: await rows(trainingRowsPath), validation: await rows(validationRowsPath) }
  }

  private async plan(): Promise<Omit<PreparedTraining, 'features'>> {
    const { spec } = this
    const { base, record } = this.options
    const found = await this.list(spec.source)
    const { rows: listed } = found
    const { target } = spec
    const classes = outputNames(found, spec.source, spec, continuedNetwork(spec, base) === undefined ? 2 : 1)
    if (target === undefined || target === 'class') await checkNoFolderEmpty(spec.source, classes)
    const doubt = splitsAsClasses(spec.source, classes)
    if (doubt !== undefined) this.options.onWarning(doubt)
    // A spec that cannot be carried out is refused before the images are read.
    const network = trainedNetwork(spec, base, classes)
    const all = network.classNames ?? classes
    if (spec.standardize === true) {
      firstLinear(network, featuresLayer(spec, base))
      if (!this.fixed) throw new LayermillError('SPEC_INVALID', 'standardize: got true, expected a run on stored features')
    }
    const ownListed = typeof spec.validation === 'string' ? (await this.list(spec.validation)).rows : undefined
    const held = String(spec.validation)
    if (ownListed !== undefined) ownTargets(listed, ownListed, all, held, spec)

    const usable = await this.usable('images', spec.source, listed)
    const own = ownListed === undefined ? undefined : await this.usable('validation', spec.validation as string, ownListed)
    const errors = [...usable.errors, ...(own?.errors ?? [])]
    checkErrors(errors, listed.length + (ownListed?.length ?? 0), spec)
    const whole =
      own === undefined
        ? holdOutTargets(usable.rows, classes, spec.validation as number, spec)
        : ownTargets(usable.rows, own.rows, all, held, spec)
    const split = foldOf(whole, spec.fold, spec)
    checkTargets(classes, split.training, spec.source, spec)
    for (const note of headNotes(spec, base, classes)) this.options.onNote(note)
    for (const warning of split.warnings) this.options.onWarning(warning)
    const { training, validation } = split
    const texts = [encodeManifest(training), encodeManifest(validation)]
    const datasetSha256 = createHash('sha256').update(texts.join('\n')).digest('hex')
    const plan = trainingPlan({ run: record.id, spec, base, classes, training, validation, datasetSha256 })
    return { record: await this.write(plan, texts, errors), plan, training, validation }
  }

  /** The plan last: the dataset is fixed once it is there. */
  private async write(plan: TrainingPlan, [training, validation]: readonly string[], errors: readonly ErrorRow[]): Promise<RunRecord> {
    const { store, record } = this.options
    if (errors.length > 0) await store.put(errorsPath(0), encodeErrors(errors))
    await store.put(trainingRowsPath, training!)
    await store.put(validationRowsPath, validation!)
    await store.put(trainingPlanPath, serializeJsonRecord(plan))
    const done = plan.images.training + plan.images.validation
    const counts = { images: done + errors.length, done, failed: errors.length, parts: 0 }
    const leftOut = leftOutFiles({ leftOut: this.leftOut })
    const dataset = { ...plan.images, classes: plan.classes.length }
    const planned: RunRecord = {
      ...record,
      state: 'running',
      planned: true,
      counts,
      dataset,
      ...(leftOut === undefined ? {} : { leftOut }),
    }
    await writeRunRecord(store, planned)
    return planned
  }

  private async list(source: string): Promise<TargetRows> {
    await using opened = await this.options.environment.openLabelled(source, accessOf(source, this.spec))
    const { strict, skipUnlabelled } = this.spec
    const { runs } = this.options.environment
    // Findings of an audit are of the images to train on, and of those that are held out of them.
    const corrections = source === this.spec.source ? await correctionsOf(this.spec, url => runs.openStore(url)) : {}
    const rows = await listLabelled(opened, source, { strict, skipUnlabelled, leftOut: this.leftOut, ...corrections })
    const keys = new Set(rows.map(({ key }) => key))
    for (const note of correctionNotes(corrections, keys, this.leftOut.count('named by --without'))) this.options.onNote(note)
    return readTargets({ rows, order: ownOrder(opened) }, this.spec)
  }

  /** A frozen base's features tell which images cannot be used; otherwise all are decoded once. */
  private async usable(name: string, source: string, rows: readonly LabelledRow[]): Promise<Usable> {
    const errors = this.fixed ? await this.extract(name, source, rows) : await this.check(source, rows)
    const bad = new Set(errors.map(({ key }) => key))
    return { rows: rows.filter(({ key }) => !bad.has(key)), errors }
  }

  private async extract(name: string, source: string, rows: readonly ManifestRow[]): Promise<ErrorRow[]> {
    const layer = featuresLayer(this.spec, this.options.base)
    const run = { name, source, rows, layer, maxErrors: this.spec.maxErrors, exact: true }
    try {
      const { store, errors } = await runFeatures(run, this.options)
      await store.close()
      return errors
    } catch (error) {
      if (!(error instanceof LayermillError && error.code === 'TOO_MANY_ERRORS')) throw error
      // The extraction counts them; which images they are and what is wrong with them helps more.
      checkErrors(await featureErrors(name, this.options), rows.length, this.spec)
      throw error
    }
  }

  private async check(source: string, rows: readonly ManifestRow[]): Promise<ErrorRow[]> {
    const { environment, signal, onProgress } = this.options
    await using opened = await environment.openLabelled(source, accessOf(source, this.spec))
    return await unusableImages(rows, {
      source: opened,
      autoOrient: this.spec.autoOrient,
      limits: imageLimits(this.spec),
      readAhead: environment.readAhead,
      signal,
      onProgress: (done, failed) => onProgress({ phase: 'check', done, failed, total: rows.length }),
    })
  }

  private async features({ plan, training, validation }: Omit<PreparedTraining, 'features'>): Promise<FeatureStores> {
    const { spec, options } = this
    const layer = plan.features!
    const own = typeof spec.validation === 'string'
    const held = await runFeatures(
      {
        name: own ? 'validation' : 'images',
        source: own ? String(spec.validation) : spec.source,
        rows: validation,
        layer,
        maxErrors: spec.maxErrors,
      },
      options,
    )
    const stores: Store[] = []
    const { augmentCopies } = plan
    if (augmentCopies === undefined)
      stores.push(
        (await runFeatures({ name: 'images', source: spec.source, rows: training, layer, maxErrors: spec.maxErrors }, options)).store,
      )
    for (let copy = 0; copy < (augmentCopies ?? 0); copy++) {
      const name = `copy-${String(copy).padStart(3, '0')}`
      stores.push((await runFeatures({ name, source: spec.source, rows: training, layer, copy, maxErrors: 0 }, options)).store)
    }
    const found = { training: stores, validation: held.store, shape: held.shape }
    if (spec.standardize !== true) return found
    const keys = new Set(training.map(({ key }) => key))
    const about = { keys, length: elementCount(held.shape), signal: options.signal }
    return { ...found, standard: await featureStandard(stores, layer, about) }
  }
}

/**
 * Makes a run ready to train: its images, its plan, and where the base is frozen its features. What an earlier term did is kept.
 * @throws LayermillError `LABEL_MISSING`, `CLASS_TOO_FEW`, `CLASS_EMPTY`, `CLASS_UNKNOWN`, `VALIDATION_INVALID`, `TOO_MANY_ERRORS`, ...
 */
export async function prepareTraining(options: PrepareOptions): Promise<PreparedTraining> {
  return new Preparation(options).prepare()
}
