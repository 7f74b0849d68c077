import { type FinetuneSpec, PredictSpec, type RunRecord } from '@layermill/contracts'
import type { HeadAnswer, ImageAnswer } from '@layermill/inference'
import { encodeManifest, type ManifestRow, readManifest, type Store } from '@layermill/storage'
import { manifestParts, writeManifest } from '../../run/manifest-plan.js'
import type { RunArguments } from '../../run/execute.js'
import { newRecord } from '../../run/open-run.js'
import { deleteRun, readRunRecord, writeRunRecord } from '../../run/record-store.js'
import { superviseRun } from '../../run/inference-steps.js'
import type { RunEnvironment } from '../../run/environment.js'

export interface PredictionOptions extends Pick<RunArguments, 'signal' | 'keepsParts'> {
  readonly environment: RunEnvironment
  /** Answers are classes; of `multi-label` all labels of an image, as a JSON list; of `mixed` JSON objects of values by target. */
  readonly target: FinetuneSpec['target']
  readonly onProgress: (done: number, failed: number, total: number) => void
}

async function hasRows(store: Store, rows: readonly ManifestRow[]): Promise<boolean> {
  const found: ManifestRow[] = []
  for (const part of await manifestParts(store)) found.push(...(await readManifest(store, part)))
  return encodeManifest(found) === encodeManifest(rows)
}

/** The run of just these images: the one that was begun, where it is of them, or a new one. */
async function openPredictions(
  spec: PredictSpec,
  rows: readonly ManifestRow[],
  store: Store,
  environment: RunEnvironment,
): Promise<RunRecord> {
  const existing = await readRunRecord(store)
  if (existing !== undefined && existing.spec.model === spec.model && (await hasRows(store, rows))) {
    const { error: _error, ...rest } = existing
    return existing.state === 'failed' ? { ...rest, state: 'running', generation: existing.generation + 1 } : existing
  }
  if (existing !== undefined) await deleteRun(store)
  const { record } = await newRecord(spec, environment)
  for (let part = 0; part * record.partSize < rows.length; part++) {
    await writeManifest(store, part, rows.slice(part * record.partSize, (part + 1) * record.partSize))
  }
  const planned: RunRecord = { ...record, planned: true }
  // Last: a run exists when its record does.
  await writeRunRecord(store, planned)
  return planned
}

type Answer = ImageAnswer & { readonly key: string }

/** Value of one of several targets, in the form of its label. */
function valueOf({ classes, labels, values }: HeadAnswer): unknown {
  if (values !== undefined) return values.map(({ value }) => value)
  return labels ?? classes[0]?.label ?? ''
}

/** An answer as the gate compares it: a class, all labels in one order, or values by target. */
function answerText({ key, classes, labels, heads = {} }: Answer, target: FinetuneSpec['target']): [key: string, text: string] {
  if (target === 'mixed')
    return [key, JSON.stringify(Object.fromEntries(Object.entries(heads).map(([name, answer]) => [name, valueOf(answer)])))]
  const likeliest = classes[0]?.label ?? ''
  return [key, target === 'multi-label' ? JSON.stringify((labels ?? [likeliest]).toSorted()) : likeliest]
}

/** The likeliest class of each image, or all its labels, by key, computed by a run of its own at `store`, which goes on where it was stopped. */
export async function predictRows(
  spec: Pick<PredictSpec, 'source' | 'model' | 'device' | 'engine' | 'maxErrors' | 'autoOrient' | 'requestPayer' | 'noSignRequest'>,
  rows: readonly ManifestRow[],
  store: Store,
  { environment, signal, keepsParts, target, onProgress }: PredictionOptions,
): Promise<Map<string, string>> {
  const record = await openPredictions(PredictSpec.parse({ kind: 'predict', ...spec, top: 1 }), rows, store, environment)
  await superviseRun(record, {
    environment,
    store,
    signal,
    keepsParts,
    onProgress: ({ done, failed, total }) => onProgress(done, failed, total),
  })
  const predicted = new Map<string, string>()
  for await (const { key } of store.list('predictions/')) {
    const text = new TextDecoder().decode(await store.get(key))
    for (const line of text.split('\n').filter(row => row !== '')) {
      predicted.set(...answerText(JSON.parse(line) as Answer, target))
    }
  }
  return predicted
}
