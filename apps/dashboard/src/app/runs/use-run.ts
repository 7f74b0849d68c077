import type { RunDetail, RunEvent } from '@layermill/contracts'
import { useEffect, useState } from 'preact/hooks'
import { followRun } from '../core/events.js'
import { usePolled } from '../core/poll.js'

type Progress = Extract<RunEvent, { event: 'progress' }>['data']
export type Training = NonNullable<RunDetail['training']>

export interface LiveRun {
  readonly run: RunDetail | undefined
  readonly error: unknown
  readonly progress: Progress | undefined
  /** Images a second, as told so far; oldest first. */
  readonly speeds: readonly number[]
  readonly training: Training | undefined
  readonly epochs: readonly Training[]
  readonly refresh: () => void
}

const kept = 240

interface Told {
  readonly progress?: Progress
  readonly speeds: readonly number[]
  readonly training?: Training
  readonly epochs: readonly Training[]
}

function after(told: Told, event: RunEvent): Told {
  if (event.event === 'progress') {
    const { imagesPerSecond } = event.data
    return {
      ...told,
      progress: event.data,
      speeds: imagesPerSecond === undefined ? told.speeds : [...told.speeds, imagesPerSecond].slice(-kept),
    }
  }
  if (event.event !== 'training') return told
  if (event.data.phase !== 'epoch') return { ...told, training: event.data }
  return { ...told, epochs: [...told.epochs.filter(({ epoch }) => epoch !== event.data.epoch), event.data] }
}

const nothing: Told = { speeds: [], epochs: [] }

function merge(known: readonly Training[], told: readonly Training[]): Training[] {
  const byEpoch = new Map([...known, ...told].map(line => [line.epoch, line]))
  return [...byEpoch.values()].toSorted((a, b) => a.epoch - b.epoch)
}

/** A run as it is, and as it changes. */
export function useRun(id: string): LiveRun {
  const { data: run, error, refresh } = usePolled<RunDetail>(`/v1/runs/${id}`, 5000)
  const [told, setTold] = useState<Told>(nothing)
  const active = run !== undefined && (run.state === 'running' || run.state === 'planning')
  useEffect(() => {
    if (!active) return undefined
    const controller = new AbortController()
    setTold(old => ({ ...nothing, epochs: old.epochs }))
    void followRun(id, controller.signal, event => {
      if (event.event === 'state') refresh()
      else setTold(old => after(old, event))
    })
    return () => controller.abort()
  }, [id, active])
  const progress = active ? told.progress : undefined
  const current = run === undefined || progress === undefined ? run : { ...run, counts: progress.counts }
  return {
    run: current,
    error,
    progress,
    speeds: told.speeds,
    training: told.training ?? run?.training,
    epochs: merge(run?.epochs ?? [], told.epochs),
    refresh,
  }
}
