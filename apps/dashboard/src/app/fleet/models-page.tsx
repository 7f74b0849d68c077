import type { ModelDetail, ModelSummary, RunDetail } from '@layermill/contracts'
import { useState } from 'preact/hooks'
import { ApiError, may, postJson } from '../core/api.js'
import { ago, count, dateTime, percent } from '../core/format.js'
import { usePolled } from '../core/poll.js'
import { link } from '../core/route.js'
import { Confirm } from '../ui/confirm.js'
import { TryIt } from '../try/try-it.js'
import { Card, Empty, Loading, ProblemNote, TableBox } from '../ui/parts.js'

export function ModelsPage() {
  const { data, error } = usePolled<{ models: ModelSummary[] }>('/v1/models', 5000)
  const absent = error instanceof ApiError && error.problem.code === 'REGISTRY_MISSING'
  return (
    <>
      <header class="page">
        <h1>Models</h1>
      </header>
      <ProblemNote error={absent ? undefined : error} />
      {absent ? (
        <Empty title="This server keeps no registry">
          <p class="muted">
            Start it with <code>layermill serve --registry URL</code>.
          </p>
        </Empty>
      ) : data === undefined ? (
        error === undefined ? (
          <Loading what="models" />
        ) : null
      ) : data.models.length === 0 ? (
        <Empty title="No models are registered yet">
          <p class="muted">
            A fine-tuning run with <code>--register NAME</code> registers one: its pictures in a folder for each class, 20 of each to begin
            with.
          </p>
          {may('submit') ? (
            <p>
              <a class="button primary" href={link('new')}>
                Fine-tune one
              </a>
            </p>
          ) : null}
        </Empty>
      ) : (
        <section class="card flush">
          <TableBox label="Registered models">
            <thead>
              <tr>
                <th scope="col">Model</th>
                <th scope="col">Latest</th>
                <th scope="col" class="n">
                  Versions
                </th>
                <th scope="col">Promoted</th>
              </tr>
            </thead>
            <tbody>
              {data.models.map(({ name, latest, versions, promoted }) => (
                <tr key={name}>
                  <th scope="row">
                    <a href={link('models', name)}>{name}</a>
                  </th>
                  <td>{latest === undefined ? '–' : `version ${latest}`}</td>
                  <td class="n">{versions}</td>
                  <td class="muted">{promoted === undefined ? '–' : ago(promoted)}</td>
                </tr>
              ))}
            </tbody>
          </TableBox>
        </section>
      )}
    </>
  )
}

/** Accuracy of a version that was held against no other: of its own run, on the images that this held out. */
function OwnAccuracy({ run }: { run: string }) {
  const { data } = usePolled<RunDetail>(`/v1/runs/${encodeURIComponent(run)}`, 0)
  if (data?.accuracy === undefined) return <>–</>
  return (
    <>
      {percent(data.accuracy)} <small class="muted block">of its own held-out images</small>
    </>
  )
}

function Versions({ model, onPromote }: { model: ModelDetail; onPromote: (version: number) => void }) {
  return (
    <TableBox label="Versions">
      <thead>
        <tr>
          <th scope="col">Version</th>
          <th scope="col">Made by</th>
          <th scope="col">Held-out accuracy</th>
          <th scope="col">Against the one before</th>
          <th scope="col">
            <span class="hidden">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {model.details.map(({ version, run, created, latest, complete, evaluation }) => (
          <tr key={version}>
            <th scope="row" class="nowrap">
              {version}{' '}
              {latest ? (
                <span class="badge done">
                  <span class="mark" aria-hidden="true" />
                  latest
                </span>
              ) : null}
            </th>
            <td class="nowrap">
              <a href={link('runs', run)}>{run}</a>
              <small class="muted block">{ago(created)}</small>
            </td>
            <td>{evaluation?.challenger === undefined ? <OwnAccuracy run={run} /> : percent(evaluation.challenger.accuracy)}</td>
            <td>
              {evaluation?.bootstrap === undefined ? (
                '–'
              ) : (
                <>
                  {percent(evaluation.bootstrap.difference)} <span class="muted">at least {percent(evaluation.bootstrap.lower)}</span>
                </>
              )}
              <small class="muted block">{evaluation?.reason}</small>
            </td>
            <td>
              {!latest && complete && may('submit') ? (
                <button type="button" onClick={() => onPromote(version)}>
                  Promote
                </button>
              ) : null}
            </td>
          </tr>
        ))}
      </tbody>
    </TableBox>
  )
}

/** A change of the latest version that is being asked about. */
interface Change {
  readonly what: 'promote' | 'rollback'
  readonly version: number
}

/** Asks before the latest version changes, and why; says what becomes stale by it. */
function ConfirmChange({
  model,
  change: { what, version },
  onDone,
  onClose,
}: {
  model: ModelDetail
  change: Change
  onDone: () => void
  onClose: () => void
}) {
  const { name, latest, uses } = model
  const stale = uses.filter(use => use.version !== version).length
  const confirm = async (reason: string): Promise<void> => {
    const body = { from: latest, ...(reason === '' ? {} : { reason }), ...(what === 'promote' ? { version } : {}) }
    await postJson(`/v1/models/${encodeURIComponent(name)}/${what}`, body)
    onDone()
  }
  return (
    <Confirm
      title={what === 'promote' ? `Promote version ${version}?` : `Roll back to version ${version}?`}
      action={what === 'promote' ? 'Yes, promote it' : 'Yes, roll back'}
      reason="Why (kept in the history)"
      onConfirm={confirm}
      onClose={onClose}
    >
      <p>
        <span class="mono">{name}@latest</span> becomes version {version}
        {latest === undefined ? '' : `; it is version ${latest} now`}. Whoever asks for it gets that version from then on.
      </p>
      {stale === 0 ? null : (
        <p>
          {stale === 1 ? 'One feature set was' : `${count(stale)} feature sets were`} made with other versions;{' '}
          <code>extract --update</code> computes {stale === 1 ? 'it' : 'them'} anew.
        </p>
      )}
    </Confirm>
  )
}

type Entry = ModelDetail['history'][number]

const happened: Readonly<Record<Entry['event'], (version: number) => string>> = {
  promoted: version => `version ${version} promoted`,
  kept: version => `version ${version} not promoted`,
  'rolled-back': version => `back to version ${version}`,
}

function History({ history }: { history: ModelDetail['history'] }) {
  return (
    <TableBox label="History">
      <thead>
        <tr>
          <th scope="col">When</th>
          <th scope="col">What</th>
          <th scope="col">By</th>
          <th scope="col">Why</th>
        </tr>
      </thead>
      <tbody>
        {history.map(({ sequence, time, event, version, by, reason }) => (
          <tr key={sequence}>
            <th scope="row" class="nowrap">
              {dateTime(time)}
            </th>
            <td class="nowrap">{happened[event](version)}</td>
            <td>{by}</td>
            <td>{reason}</td>
          </tr>
        ))}
      </tbody>
    </TableBox>
  )
}

function Uses({ uses }: { uses: ModelDetail['uses'] }) {
  return (
    <TableBox label="Results made with this model">
      <thead>
        <tr>
          <th scope="col">Where</th>
          <th scope="col">Version</th>
          <th scope="col">When</th>
        </tr>
      </thead>
      <tbody>
        {uses.map(({ out, version, time, stale }) => (
          <tr key={out}>
            <th scope="row" class="mono">
              {out}
            </th>
            <td>
              {version}{' '}
              {stale ? (
                <span class="badge cancelled">
                  <span class="mark" aria-hidden="true" />
                  stale
                </span>
              ) : null}
            </td>
            <td class="muted">{ago(time)}</td>
          </tr>
        ))}
      </tbody>
    </TableBox>
  )
}

/** One registered model: its versions, what happened, and what was made with it. */
export function ModelPage({ name }: { name: string }) {
  const { data, error, refresh } = usePolled<ModelDetail>(`/v1/models/${encodeURIComponent(name)}`, 5000)
  const [change, setChange] = useState<Change>()
  if (data === undefined) return error === undefined ? <Loading what={name} /> : <ProblemNote error={error} />
  const { history, uses, latest, previous } = data
  return (
    <>
      <header class="page">
        <div>
          <p class="crumb">
            <a href={link('models')}>Models</a>
          </p>
          <h1>{name}</h1>
          <p class="muted">
            <span class="mono">{name}@latest</span> is version {latest ?? 'none yet'}
          </p>
        </div>
        {may('submit') && previous !== undefined ? (
          <button type="button" onClick={() => setChange({ what: 'rollback', version: previous })}>
            Roll back to version {previous}
          </button>
        ) : null}
      </header>
      <ProblemNote error={error} />
      {may('submit') && latest !== undefined ? (
        <TryIt path={`/v1/models/${encodeURIComponent(name)}/try?top=5`} what={`The classes that ${name}@latest gives it`} />
      ) : null}
      <Card title="Versions">
        <Versions model={data} onPromote={version => setChange({ what: 'promote', version })} />
      </Card>
      <Card title="History">
        <History history={history} />
      </Card>
      {uses.length === 0 ? null : (
        <Card title="Made with it">
          <Uses uses={uses} />
        </Card>
      )}
      {change === undefined ? null : <ConfirmChange model={data} change={change} onDone={refresh} onClose={() => setChange(undefined)} />}
    </>
  )
}
