import {
  checkModelName,
  type Evaluation,
  type FinetuneSpec,
  imageLimits,
  type Promotion,
  type Registered,
  requireRegistry,
  type RunRecord,
  trainingRowsPath,
  validationRowsPath,
  type VersionRecord,
  versionUrl,
} from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { modelTarget } from '@layermill/models'
import { modelFile, modelWeightsFile } from '@layermill/weights'
import { type ImageSource, type ManifestRow, parseManifest, type Store } from '@layermill/storage'
import { accessOf } from '../../run/source-access.js'
import type { RunArguments } from '../../run/execute.js'
import { openFenced } from '../../run/open-fenced.js'
import { deleteRun } from '../../run/record-store.js'
import { labelNames } from '@layermill/training'
import { type LabelledRow, listLabelled } from '../dataset.js'
import type { HeldOutFigures } from '../metrics-line.js'
import { readTargets } from '../targets.js'
import type { TrainingEnvironment, TrainingProgress } from '../environment.js'
import { heldOutSha256, judge, type Judgement } from './gate.js'
import { judgeTargets, type TargetAnswers } from './gate-targets.js'
import { exactLeaks, type Leaks, leakReason, leakRecord, leakText } from './leaks.js'
import { deleteNearLeakRuns, isTooMany, nearLeaksOf } from './near-leaks.js'
import { readHistory, readLatest } from '../../registry/head.js'
import { refusedFirst } from '../../registry/run-notes.js'
import { predictRows } from './predict-rows.js'
import { ModelRegistry } from '../../registry/registry.js'
import { allocateVersion, isComplete, readEvaluation, versionPrefix, writeEvaluation } from '../../registry/versions.js'

/** Files that make a version; the model's description last. */
const files = ['metrics.jsonl', 'report.html', 'chainer.npz', 'model.onnx', modelWeightsFile, modelFile]

export interface RegisterOptions extends Pick<RunArguments, 'store' | 'signal' | 'fence' | 'keepsParts'> {
  readonly environment: TrainingEnvironment
  readonly onProgress?: (progress: TrainingProgress) => void
  readonly onPromoted?: ((promotion: Promotion) => Promise<void> | void) | undefined
}

type Register = NonNullable<FinetuneSpec['register']>

/** Fields of a model's description that registering reads. */
interface Description {
  readonly classes: readonly string[]
  readonly network?: { readonly head?: { readonly target?: string; readonly slices?: unknown } }
  readonly thresholds?: unknown
  readonly preparation: { readonly autoOrient: boolean }
  readonly weights: { readonly sha256: string }
  readonly metrics?: { readonly validation?: HeldOutFigures }
}

interface HeldOut {
  readonly source: string
  readonly rows: readonly LabelledRow[]
}

async function readDescription(store: Store, key: string): Promise<Description> {
  const bytes = await store.get(key)
  if (bytes === undefined) throw new LayermillError('MODEL_INVALID', `${store.url} has no ${key}`)
  return JSON.parse(new TextDecoder().decode(bytes)) as Description
}

/** One finished run on its way into the registry. */
class Registration {
  private readonly spec: FinetuneSpec
  private readonly registry: ModelRegistry

  constructor(
    private readonly record: RunRecord,
    private readonly register: Register,
    private readonly root: Store,
    private readonly options: RegisterOptions,
  ) {
    this.spec = record.spec as FinetuneSpec
    this.registry = new ModelRegistry(root, { now: () => options.environment.runs.now(), onPromoted: options.onPromoted })
  }

  /** Share of right answers on the images that the run held out. */
  private accuracy: number | undefined

  async run(): Promise<Registered> {
    const { name } = this.register
    const { store, environment } = this.options
    const { weights, metrics } = await readDescription(store, modelFile)
    const { sha256 } = weights
    this.accuracy = metrics?.validation?.accuracy
    const by = `run ${this.record.id}`
    const created = environment.runs.now().toISOString()
    const version = await allocateVersion(this.root, { name, run: this.record.id, out: store.url, sha256, created, by })
    if (!(await isComplete(this.root, name, version.version))) await this.copy(version)
    for (;;) {
      this.options.signal.throwIfAborted()
      const known = (await readHistory(this.root, name)).find(entry => entry.run === this.record.id && entry.version === version.version)
      if (known !== undefined) return await this.tidy(version, known)
      const champion = (await readLatest(this.root, name))?.version
      const evaluation = await this.evaluation(version, champion)
      const { promoted, reason, bootstrap } = evaluation
      // The history begins with a version that is the latest.
      if (champion === undefined && !promoted) {
        return await this.tidy(version, refusedFirst(version, evaluation))
      }
      const done = await this.registry.conclude(name, {
        version: version.version,
        champion,
        promoted,
        reason,
        by,
        sha256,
        run: this.record.id,
        ...(bootstrap === undefined ? {} : { bootstrap }),
      })
      // Another version became the latest while this one was judged: it is judged against that one.
      if (done !== undefined) return await this.tidy(version, done.entry)
    }
  }

  private async copy({ name, version }: VersionRecord): Promise<void> {
    for (const file of files) {
      const bytes = await this.options.store.get(file)
      if (bytes !== undefined) await this.root.put(`${versionPrefix(name, version)}${file}`, bytes)
    }
  }

  /** The evaluation against a champion, made anew unless it is there. */
  private async evaluation(version: VersionRecord, champion: number | undefined): Promise<Evaluation> {
    const known = await readEvaluation(this.root, version.name, version.version)
    if (known?.leaks !== undefined) return known
    if (
      known !== undefined &&
      known.champion?.version === champion &&
      known.margin === this.register.margin &&
      (known.heldOut === undefined) === (champion === undefined)
    )
      return known
    const evaluation = champion === undefined ? await this.first(version) : await this.compare(version, champion)
    await writeEvaluation(this.root, version.name, evaluation)
    return evaluation
  }

  private async first(entry: VersionRecord): Promise<Evaluation> {
    const { version } = entry
    const heldOut = await this.heldOut()
    // Nothing is compared yet: images that the run held out of its own may be near the others, as pieces of one picture are, which is told.
    const { refused, note } = await this.gate(entry, heldOut, heldOut.source === this.spec.source)
    if (refused !== undefined) return refused
    const images = this.record.dataset?.validation ?? 0
    const { accuracy } = this
    // Versions to come are judged on images of their own where a source is given for them.
    const known = accuracy !== undefined && images > 0 && this.register.heldOut === undefined
    const challenger = known ? { challenger: { version, accuracy, correct: Math.round(accuracy * images) } } : {}
    return { ...this.common(version), promoted: true, reason: `the first version${note}`, ...challenger }
  }

  private common(version: number): Pick<Evaluation, 'format' | 'version' | 'time' | 'run' | 'margin'> {
    const time = this.options.environment.runs.now().toISOString()
    return { format: 'layermill-evaluation', version, time, run: this.record.id, margin: this.register.margin }
  }

  private async compare({ name, version }: VersionRecord, champion: number): Promise<Evaluation> {
    const heldOut = await this.heldOut()
    const { refused, note } = await this.gate({ version }, heldOut)
    if (refused !== undefined) return refused
    const [after, before] = [await this.answers(version, version, heldOut), await this.answers(version, champion, heldOut)]
    const images = heldOut.rows
    const input = { images, champion: before, challenger: after, margin: this.register.margin }
    const { promoted, reason, compared, numbers, targets, ...judged }: Judgement & Pick<Evaluation, 'targets'> =
      this.spec.targets === undefined
        ? await judge({ ...input, isMultiLabel: this.spec.target === 'multi-label' })
        : await judgeTargets(input)
    const lines = images.map(
      ({ key, label }) => `${JSON.stringify({ key, label, champion: before.predicted.get(key), challenger: after.predicted.get(key) })}\n`,
    )
    await this.root.put(`${versionPrefix(name, version)}held-out.jsonl`, lines.join(''))
    return {
      ...this.common(version),
      promoted,
      reason: `${reason}${note}`,
      heldOut: { source: heldOut.source, images: images.length, compared, sha256: judged.heldOutSha256 },
      ...numbers,
      ...(targets === undefined ? {} : { targets }),
    }
  }

  /** The rows of a list that the run keeps. */
  private async rowsOf(path: string): Promise<readonly ManifestRow[]> {
    const { store } = this.options
    const bytes = await store.get(path)
    if (bytes === undefined) throw new LayermillError('FILE_MISSING', `${store.url}: no ${path}`)
    return parseManifest(bytes, `${store.url}/${path}`)
  }

  /**
   * Refuses held-out images that are trained on: any that is, byte for byte, and more near ones than nature has. A note tells of fewer.
   * @param allowsNear a note tells of any number of near ones
   */
  private async gate(
    { version }: Pick<VersionRecord, 'version'>,
    heldOut: HeldOut,
    allowsNear = false,
  ): Promise<{ refused?: Evaluation; note: string }> {
    const leaks = this.register.allowLeaks === true ? undefined : await (this.leaks ??= this.leaksOf(heldOut))
    if (leaks === undefined || leaks.found.length === 0) return { note: '' }
    const { source, rows } = heldOut
    if (leaks.by === 'features' && (allowsNear || !isTooMany(leaks.found.length, rows.length)))
      return { note: `; ${leakText(leaks, rows.length)}` }
    const reason = leakReason(leaks, rows.length)
    const counts = { source, images: rows.length, compared: 0, sha256: heldOutSha256(rows) }
    return { refused: { ...this.common(version), promoted: false, reason, heldOut: counts, leaks: leakRecord(leaks) }, note: '' }
  }

  private leaks: Promise<Leaks> | undefined

  /** Held-out images that the run was trained on. */
  private async leaksOf({ source, rows }: HeldOut): Promise<Leaks> {
    const { environment, signal, store, fence, keepsParts, onProgress = () => undefined } = this.options
    const { spec } = this
    const open = (place: string): Promise<ImageSource> => environment.openLabelled(place, accessOf(place, spec))
    const training = { source: spec.source, rows: await this.rowsOf(trainingRowsPath) }
    {
      await using trained = await open(spec.source)
      await using held = await open(source)
      const options = { limits: imageLimits(spec), signal }
      const found = await exactLeaks({ ...training, source: trained }, { source: held, rows }, options)
      if (found.length > 0) return { found, by: 'bytes' }
    }
    const options = { record: this.record, environment, store, signal, fence, keepsParts, onProgress }
    return { found: await nearLeaksOf(training, { source, rows }, options), by: 'features' }
  }

  /** The images that both are asked for: a source of their own, or what the run held out, which is the same by key while data grows. */
  private async heldOut(): Promise<HeldOut> {
    const { environment } = this.options
    const { validation } = this.spec
    const own = this.register.heldOut
    if (own === undefined) {
      const rows = this.compared((await this.rowsOf(validationRowsPath)).map(row => ({ ...row, label: row.label ?? '' })))
      return { source: typeof validation === 'string' ? validation : this.spec.source, rows }
    }
    await using source = await environment.openLabelled(own, accessOf(own, this.spec))
    const { rows } = readTargets({ rows: await listLabelled(source, own), order: undefined }, this.spec)
    return { source: own, rows: this.compared(rows) }
  }

  /** Labels in the order in which answers are compared. */
  private compared(rows: readonly LabelledRow[]): readonly LabelledRow[] {
    if (this.spec.target !== 'multi-label') return rows
    return rows.map(row => ({ ...row, label: JSON.stringify(labelNames(row.label).toSorted()) }))
  }

  private place(version: number, of: number): string {
    return `${versionUrl({ root: this.root.url, name: this.register.name, version })}/evaluation/${of}`
  }

  private async answers(version: number, of: number, { source, rows }: HeldOut): Promise<TargetAnswers> {
    const {
      environment: { runs },
      signal,
      fence,
      keepsParts,
      onProgress = () => undefined,
    } = this.options
    const { name } = this.register
    const { classes, preparation, network, thresholds } = await readDescription(this.root, `${versionPrefix(name, of)}${modelFile}`)
    const target = modelTarget({ ...network?.head, thresholds }, classes.length)
    const { device, engine, maxErrors, requestPayer, noSignRequest } = this.spec
    const model = versionUrl({ root: this.root.url, name, version: of })
    await using store = await openFenced(this.place(version, of), runs, fence)
    const predicted =
      rows.length === 0
        ? new Map<string, string>()
        : await predictRows(
            { source, model, device, engine, maxErrors, requestPayer, noSignRequest, autoOrient: preparation.autoOrient },
            rows,
            store,
            {
              environment: runs,
              signal,
              keepsParts,
              target: this.spec.target,
              onProgress: (done, failed, total) => onProgress({ phase: 'check', done, failed, total }),
            },
          )
    return { version: of, classes, predicted, heads: target?.kind === 'mixed' ? target.heads : [] }
  }

  /** Takes away what the evaluation was computed with; its numbers and answers stay. */
  private async tidy({ version }: VersionRecord, entry: Registered): Promise<Registered> {
    const {
      environment: { runs },
      fence,
    } = this.options
    for (const of of [version, entry.previous]) {
      if (of === undefined) continue
      await using store = await openFenced(this.place(version, of), runs, fence)
      await deleteRun(store)
    }
    await deleteNearLeakRuns(this.options)
    return entry
  }
}

/**
 * Makes a finished fine-tuning run's model the next version in the registry that its spec names, holds it against the latest version on the
 * same held-out images, and makes it the latest where it is not worse by more than the margin. Safe to stop at any moment and to call
 * again: a run gets one version and one verdict.
 *
 * @returns what the history says of it; undefined where the spec registers nothing
 * @throws LayermillError `REGISTRY_MISSING`, `REGISTRY_CONFLICT`, `REGISTRY_BUSY`; as runs of predictions do; the signal's reason
 */
export async function registerRun(record: RunRecord, options: RegisterOptions): Promise<Registered | undefined> {
  const register = record.spec.kind === 'finetune' ? record.spec.register : undefined
  if (register === undefined) return undefined
  checkModelName(register.name)
  await using root = await openFenced(requireRegistry(register.root), options.environment.runs, options.fence)
  return await new Registration(record, register, root, options).run()
}
