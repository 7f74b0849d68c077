import type { RunDetail } from '@layermill/contracts'
import { useState } from 'preact/hooks'
import { may, postJson } from '../core/api.js'
import { ago, count, shortPlace } from '../core/format.js'
import { link } from '../core/route.js'
import { RunFeatures } from '../features/run-features.js'
import { TryIt } from '../try/try-it.js'
import { LayerChoice } from '../ui/layer-choice.js'
import { Loading, ProblemNote, StateBadge } from '../ui/parts.js'
import { RunAudit } from './run-audit.js'
import { RunComparison } from './run-comparison.js'
import { RunFailures } from './run-failures.js'
import { RunImages } from './run-images.js'
import { RunOverview } from './run-overview.js'
import { RunPlan } from './run-plan.js'
import { RunTraining } from './run-training.js'
import { RunWords } from './run-words.js'
import { useRun, type LiveRun } from './use-run.js'

const ended = (state: RunDetail['state']): boolean => state === 'done' || state === 'failed' || state === 'cancelled'

/** Pause and resume; cancel, which is asked twice. */
function Actions({ run, refresh }: { run: RunDetail; refresh: () => void }) {
  const [error, setError] = useState<unknown>()
  const [asking, setAsking] = useState(false)
  const [busy, setBusy] = useState(false)
  // A run that was opened from its files is no queue's.
  if (!may('submit') || run.state === 'done' || run.place !== undefined) return null
  const act = async (what: 'cancel' | 'pause' | 'resume'): Promise<void> => {
    setBusy(true)
    setError(undefined)
    setAsking(false)
    try {
      await postJson(`/v1/runs/${run.id}/${what}`)
      refresh()
    } catch (failure) {
      setError(failure)
    }
    setBusy(false)
  }
  return (
    <div class="actions">
      {ended(run.state) ? (
        <button type="button" disabled={busy} onClick={() => void act('resume')}>
          Resume
        </button>
      ) : asking ? (
        <>
          <span class="muted">What is committed stays.</span>
          <button type="button" class="danger" disabled={busy} onClick={() => void act('cancel')}>
            Yes, cancel it
          </button>
          <button type="button" onClick={() => setAsking(false)}>
            Go on
          </button>
        </>
      ) : (
        <>
          {run.waiting?.code === 'paused' ? (
            <button type="button" disabled={busy} onClick={() => void act('resume')}>
              Resume
            </button>
          ) : (
            <button type="button" disabled={busy} onClick={() => void act('pause')}>
              Pause
            </button>
          )}
          <button type="button" disabled={busy} onClick={() => setAsking(true)}>
            Cancel run
          </button>
        </>
      )}
      <ProblemNote error={error} />
    </div>
  )
}

interface View {
  readonly name: string
  readonly title: string
}

const canTry = (run: RunDetail): boolean => may('submit') && run.counts.done > 0 && (run.kind === 'extract' || run.state === 'done')

/** A picture of one's own beside the run's: the images nearest to it, or the classes that the model gives it. */
function RunTry({ run }: { run: RunDetail }) {
  const layers = run.layers ?? []
  const [layer, setLayer] = useState(layers.at(-1)?.name)
  if (run.kind !== 'extract') return <TryIt path={`/v1/runs/${run.id}/try?top=5`} what="The classes that this model gives it" />
  return (
    <>
      {layers.length < 2 ? null : (
        <div class="sheet-tools">
          <LayerChoice layers={layers} value={layer} onChange={setLayer} />
        </div>
      )}
      <TryIt
        key={layer}
        path={`/v1/runs/${run.id}/try?top=12&layer=${encodeURIComponent(layer ?? '')}`}
        run={run.id}
        what="The images of this run that are most like it"
      />
    </>
  )
}

function viewsOf(run: RunDetail): View[] {
  return [
    { name: 'overview', title: 'Overview' },
    ...(run.kind === 'finetune' ? [{ name: 'training', title: 'Training' }] : []),
    ...(run.kind === 'extract' && run.layers !== undefined && run.counts.done > 0 ? [{ name: 'features', title: 'Features' }] : []),
    ...(run.kind === 'extract' && run.layers !== undefined && run.counts.done > 0
      ? [{ name: 'audit', title: 'Audit' }, ...(run.layers.length > 1 ? [{ name: 'comparison', title: 'Compare' }] : [])]
      : []),
    ...(run.planned ? [{ name: 'images', title: 'Images' }] : []),
    ...(canTry(run) ? [{ name: 'try', title: 'Try it' }] : []),
    { name: 'failures', title: run.counts.failed === 0 ? 'Failures' : `Failures (${count(run.counts.failed)})` },
    { name: 'plan', title: 'Plan and spec' },
  ]
}

function Content({ view, live, run }: { view: string; live: LiveRun; run: RunDetail }) {
  if (view === 'plan') return <RunPlan run={run} />
  if (view === 'audit') return <RunAudit run={run} />
  if (view === 'comparison') return <RunComparison run={run} />
  if (view === 'images') return <RunImages run={run} />
  if (view === 'try') return <RunTry run={run} />
  if (view === 'failures') return <RunFailures run={run} />
  if (view === 'features') return <RunFeatures run={run} />
  if (view === 'training') return <RunTraining run={run} live={live} />
  return <RunOverview run={run} live={live} />
}

/** One run. */
export function RunPage({ id, view }: { id: string; view: string }) {
  const live = useRun(id)
  const { run, error, refresh } = live
  if (run === undefined) return error === undefined ? <Loading what={id} /> : <ProblemNote error={error} />
  return (
    <>
      <header class="page run-head">
        <div>
          <p class="crumb">
            <a href={link('runs')}>Runs</a>
          </p>
          <h1>
            {run.name ?? run.id} <StateBadge state={run.state} />
          </h1>
          <p class="muted">
            {run.name === undefined ? null : `${run.id} · `}
            {run.kind} · {run.model} · <span title={run.source}>{shortPlace(run.source)}</span> →{' '}
            <span title={run.place ?? run.out}>{shortPlace(run.place ?? run.out ?? 'nowhere')}</span> · {ago(run.created)}
          </p>
        </div>
        <Actions run={run} refresh={refresh} />
      </header>
      <RunWords run={run} refresh={refresh} />
      {run.error === undefined ? null : (
        <div class="note error">
          <p>{run.error.message}</p>
          <p class="muted mono">{run.error.code}</p>
        </div>
      )}
      <nav class="tabs" aria-label="Views of the run">
        {viewsOf(run).map(({ name, title }) => (
          <a key={name} href={link('runs', id, name)} aria-current={view === name ? 'page' : undefined}>
            {title}
          </a>
        ))}
      </nav>
      <Content view={view} live={live} run={run} />
    </>
  )
}
