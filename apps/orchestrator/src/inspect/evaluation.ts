import { parseTrainingPlan, type RunEvaluation, trainingPlanPath } from '@layermill/contracts'
import { LayermillError, mostSafetensorsHeaderBytes, safetensorsTextBytes } from '@layermill/core'
import type { Store } from '@layermill/storage'
import * as z from 'zod'

/** A header beyond that is none of ours. */

/** As much of a checkpoint's state as is shown. Numbers that JSON has no word for are texts there. */
const State = z.object({
  run: z.string(),
  best: z
    .object({
      epoch: z.int(),
      summary: z.object({
        samples: z.int(),
        accuracy: z.number().catch(0),
        macroF1: z.number().catch(0),
        confusion: z.array(z.array(z.int())),
      }),
      mistakes: z.array(z.object({ key: z.string(), label: z.string(), predicted: z.string(), probability: z.number().catch(0) })),
    })
    .optional(),
})

async function latestCheckpoint(store: Store): Promise<string | undefined> {
  let latest: string | undefined
  for await (const { key } of store.list('checkpoints/step-')) latest = key
  return latest
}

/** The JSON at the start of a safetensors file: tensors may be gigabytes. */
async function headerOf(store: Store, path: string): Promise<unknown> {
  const length = await store.getRange(path, 0, 8)
  if (length === undefined || length.byteLength < 8) return undefined
  const bytes = safetensorsTextBytes(length)
  if (bytes > mostSafetensorsHeaderBytes) return undefined
  const header = await store.getRange(path, 8, 8 + bytes)
  return header === undefined ? undefined : JSON.parse(new TextDecoder().decode(header))
}

const Header = z.object({ __metadata__: z.object({ state: z.string() }) })
const none = (store: Store): LayermillError => new LayermillError('NOT_RECORDED', `${store.url}: no held-out images have been evaluated`)

/**
 * How the best epoch so far did on the held-out images, by the latest checkpoint.
 * @throws LayermillError `NOT_RECORDED`, and what the store throws
 */
export async function readEvaluation(store: Store, run: string): Promise<RunEvaluation> {
  const [path, plan] = await Promise.all([latestCheckpoint(store), store.get(trainingPlanPath)])
  if (path === undefined || plan === undefined) throw none(store)
  const { classes, target } = parseTrainingPlan(plan, store.url)
  // Several labels or numbers an image have no confusion; their tables are in the report.
  if (target !== undefined) throw none(store)
  const header = Header.safeParse(await headerOf(store, path))
  const state = header.success ? State.safeParse(JSON.parse(header.data.__metadata__.state)) : undefined
  if (state?.success !== true || state.data.run !== run || state.data.best === undefined) throw none(store)
  const { epoch, summary, mistakes } = state.data.best
  return { epoch, ...summary, classes, mistakes }
}
