import { cpuFits, type Engine, numericClass } from '@layermill/engines'
import { type ComputedBy, cpuPath, type RunRecord } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { changeObject, type Store } from '@layermill/storage'
import type { ModelProvider } from './model-provider.js'

/** Engine, version, device and kind of CPU that results come from. Equal ones give the same bits. */
export async function computedByOf(engine: Engine): Promise<ComputedBy> {
  const { name, version, device } = engine
  return { engine: name, version, device, cpu: await numericClass(engine) }
}

/** The class of the run's first worker: this one's, where nobody was before. */
async function firstClass(store: Store, own: string): Promise<string> {
  const first = await changeObject(
    store,
    cpuPath,
    bytes => {
      const there = bytes === undefined ? '' : new TextDecoder().decode(bytes).trim()
      return there === '' ? { value: own, text: `${own}\n` } : { value: there, text: undefined }
    },
    () => new LayermillError('STORE_UNREACHABLE', `${store.url}/${cpuPath} is changed all the time`),
  )
  return first ?? own
}

/**
 * Looks whether this machine may compute for a run that requires a kind of CPU.
 * @throws LayermillError `CPU_UNFIT` where it may not: a worker of a fleet hands its part back
 */
export async function requireCpu(
  { spec }: Pick<RunRecord, 'spec'>,
  store: Store,
  provider: Pick<ModelProvider, 'openEngine'>,
): Promise<void> {
  const { requireCpu: wanted } = spec
  if (wanted === undefined) return
  const own = await numericClass(await provider.openEngine())
  const needed = wanted === 'same' ? await firstClass(store, own) : wanted
  if (cpuFits(needed, own)) return
  throw new LayermillError(
    'CPU_UNFIT',
    `the run requires CPU ${needed}${wanted === 'same' ? " (its first worker's)" : ''}, this machine's is ${own}`,
    {
      hint: 'start a worker on such a machine; without --require-cpu any may compute, to float rounding',
    },
  )
}
