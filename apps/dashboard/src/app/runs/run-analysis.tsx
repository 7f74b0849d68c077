import type { Analysis, AnalysisBody, AnalysisKind } from '@layermill/contracts'
import { useEffect, useState } from 'preact/hooks'
import { may, postJson, send } from '../core/api.js'
import { ago } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { ProblemNote } from '../ui/parts.js'

/** Milliseconds between questions for the state of a job under way. */
const pollMs = 1500

const isUnderWay = (analysis: Analysis | undefined): boolean => analysis?.state === 'waiting' || analysis?.state === 'running'

interface RunAnalysisProps {
  readonly run: string
  readonly kind: AnalysisKind
  readonly title: string
  readonly body: AnalysisBody
  /** Called once a job has ended, when its results are there. */
  readonly onEnded: () => void
}

function stateText({ state, layers, finished }: Analysis): string {
  const of = layers === undefined ? '' : ` of ${layers}`
  if (state === 'waiting') return `waits for a server${of}`
  if (state === 'running') return `under way${of} …`
  return `${state}${of}${finished === undefined ? '' : `, ${ago(finished)}`}`
}

/** Starts an analysis of a run as a job, and tells how it is. */
export function RunAnalysis({ run, kind, title, body, onEnded }: RunAnalysisProps) {
  const [failure, setFailure] = useState<unknown>()
  const [busy, setBusy] = useState(false)
  const [wasUnderWay, setUnderWay] = useState(false)
  const find = ({ analyses }: { analyses: Analysis[] }): Analysis | undefined => analyses.find(analysis => analysis.kind === kind)
  const { data, error, refresh } = usePolled<{ analyses: Analysis[] }>(`/v1/runs/${run}/analyses`, pollMs, list => !isUnderWay(find(list)))
  const analysis = data === undefined ? undefined : find(data)
  const underWay = isUnderWay(analysis)
  useEffect(() => {
    if (data === undefined) return
    if (wasUnderWay && !underWay) onEnded()
    setUnderWay(underWay)
  }, [data])
  const start = (): void => {
    setBusy(true)
    setFailure(undefined)
    postJson<Analysis>(`/v1/runs/${run}/analyses`, body)
      .then(() => {
        setUnderWay(true)
        refresh()
      }, setFailure)
      .finally(() => setBusy(false))
  }
  const cancel = (): void => {
    setBusy(true)
    setFailure(undefined)
    send(`/v1/runs/${run}/analyses/${kind}`, { method: 'DELETE' })
      .then(refresh, setFailure)
      .finally(() => setBusy(false))
  }
  return (
    <>
      {may('submit') ? (
        <button type="button" disabled={busy || underWay} onClick={start}>
          {title}
        </button>
      ) : null}
      {may('submit') && underWay ? (
        <button type="button" disabled={busy} onClick={cancel}>
          Cancel the {kind === 'audit' ? 'audit' : 'comparison'}
        </button>
      ) : null}
      <span class={analysis?.state === 'failed' ? 'bad' : 'muted'} role="status">
        {analysis === undefined ? '' : stateText(analysis)}
        {analysis?.state === 'failed' ? `: ${analysis.error?.message ?? ''}` : ''}
      </span>
      <ProblemNote error={failure ?? error} />
    </>
  )
}
