import type { RunSummary } from '@layermill/contracts'
import type { ComponentChildren } from 'preact'
import { ApiError, messageOf } from '../core/api.js'
import { count } from '../core/format.js'

/** A state in a word, with a mark whose shape, not just its colour, tells it. */
export function StateBadge({ state }: { state: RunSummary['state'] }) {
  return (
    <span class={`badge ${state}`}>
      <span class="mark" aria-hidden="true" />
      {state}
    </span>
  )
}

/** An error as a note that readers of screens are told of. */
export function ProblemNote({ error }: { error: unknown }) {
  if (error === undefined) return null
  const hint = error instanceof ApiError ? error.problem.hint : undefined
  return (
    <div class="note error" role="alert">
      <p>{messageOf(error)}</p>
      {hint === undefined ? null : <p class="muted">{hint}</p>}
    </div>
  )
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="title">{title}</p>
      {children}
    </div>
  )
}

export function Loading({ what }: { what: string }) {
  return (
    <div class="empty" role="status">
      <p class="muted">Loading {what} …</p>
    </div>
  )
}

export function Stat({ label, value, note }: { label: string; value: ComponentChildren; note?: ComponentChildren }) {
  return (
    <div class="stat">
      <dt>{label}</dt>
      <dd>
        {value}
        {note === undefined ? null : <small>{note}</small>}
      </dd>
    </div>
  )
}

/** Done and failed images of all there are. */
export function ProgressBar({ counts, state, label }: { counts: RunSummary['counts']; state: RunSummary['state']; label: string }) {
  const total = Math.max(1, counts.images)
  const done = Math.min(1, counts.done / total)
  const failed = Math.min(1 - done, counts.failed / total)
  const text = `${count(counts.done)} of ${count(counts.images)} images done, ${count(counts.failed)} failed`
  return (
    <div
      class={`bar ${state}`}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round((done + failed) * 100)}
      aria-valuetext={text}
    >
      <span class="done" style={{ width: `${done * 100}%` }} />
      <span class="failed" style={{ width: `${failed * 100}%` }} />
    </div>
  )
}

export function Card({
  title,
  aside,
  children,
  id,
}: {
  title: string
  aside?: ComponentChildren
  children: ComponentChildren
  id?: string
}) {
  return (
    <section class="card" aria-labelledby={id ?? title}>
      <header>
        <h2 id={id ?? title}>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  )
}

/** A table that scrolls sideways by itself where the screen is narrow; it can be reached and scrolled with the keyboard. */
export function TableBox({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <div class="scroll" role="region" aria-label={label} tabIndex={0}>
      <table>{children}</table>
    </div>
  )
}
