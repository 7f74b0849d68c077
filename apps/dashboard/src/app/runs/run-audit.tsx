import type { AuditFinding, AuditVerdicts, RunAudit as AuditPage, RunDetail, Verdict } from '@layermill/contracts'
import { useState } from 'preact/hooks'
import { ApiError, may, postJson } from '../core/api.js'
import { count } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { LayerChoice } from '../ui/layer-choice.js'
import { Pager } from '../ui/pager.js'
import { Card, Empty, Loading, ProblemNote } from '../ui/parts.js'
import { RunAnalysis } from './run-analysis.js'
import { Thumbnail } from '../ui/thumbnail.js'

type Shown = 'open' | Verdict | 'all'
type Judge = (findings: readonly AuditFinding[], verdict: Verdict | null) => void

/** Finding in words: what is beside its picture. */
function wordsOf({ finding, group, label, detail }: AuditFinding): string {
  const texts = [
    group === undefined ? undefined : `group ${group}`,
    label,
    detail === undefined ? undefined : finding === 'label' ? `rather ${detail}` : detail,
  ]
  return texts.filter(text => text !== undefined).join(' · ')
}

function Finding({ run, finding, busy, onJudge }: { run: string; finding: AuditFinding; busy: boolean; onJudge: Judge }) {
  const { key, score, verdict } = finding
  const words = wordsOf(finding)
  const button = (choice: Verdict, title: string) => (
    <button
      type="button"
      aria-pressed={verdict === choice}
      aria-label={`${title} ${key}`}
      disabled={busy}
      onClick={() => onJudge([finding], verdict === choice ? null : choice)}
    >
      {title}
    </button>
  )
  return (
    <li>
      <Thumbnail run={run} part="audit" name={key} alt={key} />
      <span class="mono" title={key}>
        {key.split('/').at(-1)}
      </span>
      {words === '' ? null : <b>{words}</b>}
      <span class="muted">{score === undefined ? 'found earlier' : `score ${score.toPrecision(3)}`}</span>
      {may('submit') ? (
        <span class="verdicts">
          {button('confirmed', 'Confirm')}
          {button('dismissed', 'Dismiss')}
        </span>
      ) : verdict === undefined ? null : (
        <span>{verdict}</span>
      )}
    </li>
  )
}

/** Pages of a kind of findings, with a verdict on each. */
function Findings({ run, page, busy, onJudge }: { run: string; page: AuditPage; busy: boolean; onJudge: Judge }) {
  const { findings } = page
  const open = findings.filter(({ verdict }) => verdict === undefined)
  if (findings.length === 0)
    return (
      <Empty title="Nothing left to look at here">
        <p class="muted">Every finding of this kind has a verdict. Show all of them to change one.</p>
      </Empty>
    )
  return (
    <>
      <ul class="sheet">
        {findings.map(finding => (
          <Finding key={`${finding.finding}/${finding.key}`} run={run} finding={finding} busy={busy} onJudge={onJudge} />
        ))}
      </ul>
      {open.length < 2 || !may('submit') ? null : (
        <div class="actions pager">
          <button type="button" disabled={busy} onClick={() => onJudge(open, 'dismissed')}>
            Dismiss the {count(open.length)} that are open
          </button>
        </div>
      )}
    </>
  )
}

interface ToolsProps {
  readonly page: AuditPage
  readonly kind: string | undefined
  readonly shown: Shown
  readonly onKind: (kind: string) => void
  readonly onShown: (shown: Shown) => void
}

function Tools({ page, kind, shown, onKind, onShown }: ToolsProps) {
  return (
    <div class="sheet-tools">
      <label>
        Kind{' '}
        <select value={kind} onChange={event => onKind(event.currentTarget.value)}>
          {page.kinds.map(({ finding, open }) => (
            <option key={finding} value={finding}>
              {finding} ({count(open)} open)
            </option>
          ))}
        </select>
      </label>
      <label>
        Show{' '}
        <select value={shown} onChange={event => onShown(event.currentTarget.value as Shown)}>
          <option value="open">open</option>
          <option value="confirmed">confirmed</option>
          <option value="dismissed">dismissed</option>
          <option value="all">all</option>
        </select>
      </label>
    </div>
  )
}

/** Layer to look at, and the button that starts an audit. */
function AuditTools({ run, onEnded }: { run: RunDetail; onEnded: () => void }) {
  const layers = run.layers ?? []
  const [layer, setLayer] = useState(layers.at(-1)?.name ?? '')
  return (
    <div class="sheet-tools">
      <LayerChoice layers={layers} value={layer} onChange={setLayer} />
      <RunAnalysis run={run.id} kind="audit" title="Audit the images" body={{ kind: 'audit', layer }} onEnded={onEnded} />
    </div>
  )
}

/** Findings of an audit of the run's images, each to be confirmed or dismissed. */
export function RunAudit({ run }: { run: RunDetail }) {
  const [chosen, setChosen] = useState<string>()
  const [shown, setShown] = useState<Shown>('open')
  const [from, setFrom] = useState<readonly string[]>([])
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<unknown>()
  const at = from.at(-1)
  const query = [
    `verdict=${shown}`,
    ...(chosen === undefined ? [] : [`finding=${encodeURIComponent(chosen)}`]),
    ...(at === undefined ? [] : [`from=${at}`]),
  ]
  const { data, error, refresh } = usePolled<AuditPage>(`/v1/runs/${run.id}/audit?${query.join('&')}`, 0)
  const judge: Judge = (findings, verdict) => {
    const verdicts = findings.map(({ key, finding }) => ({ key, finding, verdict }))
    setBusy(true)
    setFailure(undefined)
    postJson<AuditVerdicts>(`/v1/runs/${run.id}/audit/verdicts`, { verdicts })
      .then(() => {
        // A finding with a verdict leaves the list of open ones, and the next takes its place.
        if (shown !== 'all') setFrom([])
        refresh()
      }, setFailure)
      .finally(() => setBusy(false))
  }
  const kind = chosen ?? data?.findings[0]?.finding ?? data?.kinds[0]?.finding
  const first = (change: () => void): void => {
    setFrom([])
    change()
  }
  const missing = error instanceof ApiError && error.problem.code === 'NOT_RECORDED'
  return (
    <Card title="Images that should be looked at" aside={<span class="muted">verdicts are kept with the features</span>}>
      <AuditTools run={run} onEnded={() => first(refresh)} />
      {data === undefined ? (
        missing ? (
          <Empty title="No audit of these images is there">
            <p class="muted">It finds duplicates, suspect labels, outliers and poor pictures by the features of a layer.</p>
          </Empty>
        ) : error === undefined ? (
          <Loading what="findings" />
        ) : (
          <ProblemNote error={error} />
        )
      ) : data.kinds.length === 0 ? (
        <Empty title="The audit found nothing" />
      ) : (
        <>
          <Tools
            page={data}
            kind={kind}
            shown={shown}
            onKind={name => first(() => setChosen(name))}
            onShown={choice =>
              first(() => {
                setChosen(kind)
                setShown(choice)
              })
            }
          />
          <ProblemNote error={failure} />
          <Findings run={run.id} page={data} busy={busy} onJudge={judge} />
          <Pager from={from} next={data.next} onTurn={setFrom} />
        </>
      )}
    </Card>
  )
}
