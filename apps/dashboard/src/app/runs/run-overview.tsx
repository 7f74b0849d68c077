import type { RunDetail, WorkerInfo } from '@layermill/contracts'
import { ago, bytes, count, duration, percent, rate } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { WorkerTable } from '../fleet/workers-page.js'
import { Card, ProgressBar, Stat } from '../ui/parts.js'
import { Sparkline } from '../ui/sparkline.js'
import { PartGrid } from './part-grid.js'
import { RunOutcome } from './run-outcome.js'
import { RunPhases } from './run-phases.js'
import { speedOf } from './run-row.js'
import { RunCurves } from './run-training.js'
import type { LiveRun } from './use-run.js'

function timeStat(run: RunDetail, left: number | undefined) {
  if (run.state === 'running' || run.state === 'planning')
    return <Stat label="Time left" value={left === undefined ? '–' : duration(left)} />
  const took = run.seconds ?? (run.finished === undefined ? undefined : (Date.parse(run.finished) - Date.parse(run.created)) / 1000)
  return <Stat label="Took" value={took === undefined ? '–' : duration(took)} />
}

const foundText = ({ added, changed, deleted, retried }: NonNullable<RunDetail['found']>): string =>
  `${count(added)} new images, ${count(changed)} changed, ${count(deleted)} deleted, ${count(retried)} tried again`

/** Bytes that a run has written so far, computed from the bytes that an image's layers take. */
const written = (run: RunDetail): number => run.counts.done * (run.layers ?? []).reduce((sum, { bytesPerImage }) => sum + bytesPerImage, 0)

function Progress({ run, live }: { run: RunDetail; live: LiveRun }) {
  const { counts, state } = run
  const { progress, speeds } = live
  const speed = progress?.imagesPerSecond ?? speedOf(run)
  const handled = counts.done + counts.failed
  return (
    <section class="card hero" aria-label="Progress">
      <div class="hero-line">
        <p class="big">{counts.images === 0 ? '–' : percent(handled / counts.images, handled === counts.images ? 0 : 1)}</p>
        <p class="muted">
          {count(counts.done)} of {count(counts.images)} images{run.planned ? '' : ', listing goes on'}
        </p>
        {speeds.length > 1 ? <Sparkline values={speeds} label="Throughput" width={220} height={40} /> : null}
      </div>
      {run.waiting === undefined ? null : (
        <p class="waiting" role="status">
          Waiting since {ago(run.waiting.since, Date.now())}: {run.waiting.reason}
        </p>
      )}
      {run.found === undefined ? null : <p class="muted">Last update: {foundText(run.found)}</p>}
      <ProgressBar counts={counts} state={state} label="Progress of the run" />
      <dl class="stats inline">
        <Stat label="Throughput" value={speed === undefined ? '–' : rate(speed)} note="images/s" />
        {timeStat(run, progress?.secondsLeft)}
        <Stat
          label="Failed"
          value={<span class={counts.failed > 0 ? 'bad' : ''}>{count(counts.failed)}</span>}
          note={handled === 0 ? undefined : percent(counts.failed / handled, 2)}
        />
        {run.kind === 'finetune' ? (
          <Stat label="Epochs" value={count(live.epochs.length)} note={`of ${count(Number(run.spec['epochs'] ?? 0))}`} />
        ) : (
          <Stat
            label="Parts"
            value={progress === undefined ? count(counts.parts) : `${count(progress.partsDone)} / ${count(counts.parts)}`}
            note={run.partSize === undefined ? undefined : `of ${count(run.partSize)} images`}
          />
        )}
        {run.kind === 'extract' ? <Stat label="Features" value={bytes(written(run))} /> : null}
      </dl>
    </section>
  )
}

/** Workers that compute something of this run. */
function RunWorkers({ id, workers }: { id: string; workers: readonly WorkerInfo[] }) {
  if (workers.length === 0) return null
  return (
    <Card title="Workers">
      <WorkerTable workers={workers} run={id} />
    </Card>
  )
}

export function RunOverview({ run, live }: { run: RunDetail; live: LiveRun }) {
  const active = run.state === 'running' || run.state === 'planning'
  const { data } = usePolled<{ workers: WorkerInfo[] }>(active ? '/v1/workers' : undefined, 2000)
  const phases = live.progress?.phases ?? run.phases ?? []
  const workers = (data?.workers ?? []).filter(({ jobs, unfit = [] }) => [...jobs, ...unfit].some(entry => entry.run === run.id))
  return (
    <>
      <Progress run={run} live={live} />
      <RunOutcome run={run} />
      {run.kind === 'finetune' && live.epochs.length > 0 ? (
        <Card title="Curves">
          <RunCurves epochs={live.epochs} />
        </Card>
      ) : null}
      <RunWorkers id={run.id} workers={workers} />
      {phases.length === 0 ? null : <RunPhases phases={phases} />}
      {run.kind === 'finetune' ? null : <PartGrid run={run} workers={workers} active={active} />}
    </>
  )
}
