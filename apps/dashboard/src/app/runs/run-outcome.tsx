import type { RunDetail } from '@layermill/contracts'
import { count, percent } from '../core/format.js'
import { link } from '../core/route.js'
import { Card } from '../ui/parts.js'

const badge = (kind: string, text: string) => (
  <span class={`badge ${kind}`}>
    <span class="mark" aria-hidden="true" />
    {text}
  </span>
)

/** Outcome for the model in the registry. */
function Registered({ registered: { name, version, event, reason } }: { registered: NonNullable<RunDetail['registered']> }) {
  return (
    <Card title="Registry" aside={<a href={link('models', name)}>{name}</a>}>
      <p>
        {name}@{version} {event === 'promoted' ? badge('done', 'promoted') : badge('cancelled', 'not promoted')}
      </p>
      <p class="muted">{reason}</p>
    </Card>
  )
}

/** Features of another version than the latest. */
function Stale({ stale: { name, version, latest } }: { stale: NonNullable<RunDetail['stale']> }) {
  return (
    <p class="note">
      {badge('cancelled', 'stale')} These features were made with{' '}
      <a href={link('models', name)}>
        {name}@{version}
      </a>
      ; {name}@latest is version {latest} now. The command that made them, with <code>--update --model {name}@latest</code>, computes them
      anew.
    </p>
  )
}

/** How far an int8 run agrees with float32. */
function Agreement({
  calibration: { cosine, compared, top1, labelled, float32 = [] },
}: {
  calibration: NonNullable<RunDetail['calibration']>
}) {
  return (
    <Card title="Agreement with float32" aside={<span class="muted">on {count(compared)} images</span>}>
      <dl class="facts">
        {Object.entries(cosine).map(([layer, { mean, smallest }]) => (
          <div key={layer}>
            <dt class="mono">{layer}</dt>
            <dd>
              cosine {mean.toFixed(4)} <span class="muted">smallest {smallest.toFixed(4)}</span>
              {float32.includes(layer) ? <span class="muted">, so it is computed in float32</span> : null}
            </dd>
          </div>
        ))}
        {top1 === undefined ? null : (
          <div>
            <dt>Same class</dt>
            <dd>{percent(top1)}</dd>
          </div>
        )}
        {labelled === undefined ? null : (
          <div>
            <dt>Top-1 by the labels</dt>
            <dd>
              {percent(labelled.int8)} <span class="muted">float32 {percent(labelled.fp32)}</span>
            </dd>
          </div>
        )}
      </dl>
    </Card>
  )
}

/** Facts about a run's results besides their numbers: none for most runs. */
export function RunOutcome({ run: { registered, stale, calibration } }: { run: RunDetail }) {
  return (
    <>
      {stale === undefined ? null : <Stale stale={stale} />}
      {registered === undefined ? null : <Registered registered={registered} />}
      {calibration === undefined ? null : <Agreement calibration={calibration} />}
    </>
  )
}
