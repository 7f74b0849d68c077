import { hasEnded, type Notification, type Notify, type RunSummary } from '@layermill/contracts'

const events = { done: 'run.finished', failed: 'run.failed', cancelled: 'run.cancelled' } as const

/** Tells of a run that ended, with the `notify` of its spec. Runs that have not ended are nothing to tell of. */
export async function notifyOfRun(notify: Notify, run: RunSummary, urls: readonly string[] | undefined): Promise<void> {
  if (!hasEnded(run.state)) return
  const notification: Notification = { event: events[run.state], data: run }
  await notify(notification, { urls })
}
