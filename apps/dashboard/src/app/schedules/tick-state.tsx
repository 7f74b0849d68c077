import type { ScheduleDetail } from '@layermill/contracts'
import { ago } from '../core/format.js'

export type Tick = ScheduleDetail['history'][number]

const badges = {
  starting: 'planning',
  queued: 'planning',
  running: 'running',
  done: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
  skipped: 'cancelled',
  lost: 'failed',
} as const

/** Outcome of a tick, and its time. */
export function TickState({ tick }: { tick: Tick | undefined }) {
  if (tick === undefined) return <span class="muted">never</span>
  return (
    <>
      <span class={`badge ${badges[tick.state]}`}>
        <span class="mark" aria-hidden="true" />
        {tick.state}
        {tick.reason === undefined ? '' : `: ${tick.reason}`}
      </span>{' '}
      <span class="muted nowrap">{ago(tick.at)}</span>
    </>
  )
}
