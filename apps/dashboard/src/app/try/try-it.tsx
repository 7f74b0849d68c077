import type { TryResult } from '@layermill/contracts'
import { useEffect, useRef, useState } from 'preact/hooks'
import { send } from '../core/api.js'
import { percent } from '../core/format.js'
import { Icon } from '../ui/icons.js'
import { Card, ProblemNote } from '../ui/parts.js'
import { Thumbnail } from '../ui/thumbnail.js'

/** Bytes that the server takes. */
const largest = 16 * 1024 * 1024

interface Tried {
  readonly name: string
  readonly url: string
  readonly result?: TryResult
  readonly error?: unknown
}

function Classes({ classes }: { classes: NonNullable<TryResult['classes']> }) {
  return (
    <ol class="scores">
      {classes.map(({ label, probability }) => (
        <li key={label}>
          <span class="score-name">{label}</span>
          <span class="score-bar" aria-hidden="true">
            <span style={{ width: `${probability * 100}%` }} />
          </span>
          <b>{percent(probability)}</b>
        </li>
      ))}
    </ol>
  )
}

function Nearest({ run, neighbours }: { run: string; neighbours: NonNullable<TryResult['neighbours']> }) {
  return (
    <ol class="neighbours">
      {neighbours.map(({ part, key, label, similarity }) => (
        <li key={`${part}/${key}`}>
          <Thumbnail run={run} part={part} name={key} alt={key} />
          <span class="mono" title={key}>
            {key.split('/').at(-1)}
          </span>
          <span class="muted">
            {label === undefined ? '' : `${label} · `}
            {similarity.toFixed(3)}
          </span>
        </li>
      ))}
    </ol>
  )
}

function Outcome({ tried: { name, url, result, error }, run }: { tried: Tried; run: string | undefined }) {
  return (
    <div class="tried" aria-live="polite">
      <figure>
        <img src={url} alt={name} />
        <figcaption class="mono">{name}</figcaption>
      </figure>
      <div>
        {error === undefined ? null : <ProblemNote error={error} />}
        {result === undefined && error === undefined ? <p class="muted">Computing; the first picture waits for the model …</p> : null}
        {result?.classes === undefined ? null : <Classes classes={result.classes} />}
        {result?.neighbours === undefined || run === undefined ? null : <Nearest run={run} neighbours={result.neighbours} />}
        {result === undefined ? null : (
          <p class="muted map-note">
            {result.network}
            {result.layer === undefined ? '' : `, ${result.layer}`} · {result.seconds.toFixed(2)} s
          </p>
        )}
      </div>
    </div>
  )
}

interface TryItProps {
  /** Route that takes the picture. */
  readonly path: string
  /** Run whose images are shown as neighbours. */
  readonly run?: string
  /** Meaning of the answer. */
  readonly what: string
}

/** A drop zone: a picture is sent, and what the model or the run makes of it is shown. The server keeps nothing of it. */
export function TryIt({ path, run, what }: TryItProps) {
  const [over, setOver] = useState(false)
  const [tried, setTried] = useState<Tried>()
  const latest = useRef(0)
  useEffect(
    () => () => {
      if (tried !== undefined) URL.revokeObjectURL(tried.url)
    },
    [tried?.url],
  )
  const take = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return
    const turn = ++latest.current
    const shown = { name: file.name, url: URL.createObjectURL(file) }
    setTried(shown)
    const settle = (more: Pick<Tried, 'result' | 'error'>): void => {
      if (turn === latest.current) setTried({ ...shown, ...more })
    }
    if (file.size > largest) return settle({ error: new Error(`${file.name} is larger than 16 MiB, which is the most that can be tried`) })
    try {
      const response = await send(path, { method: 'POST', body: file, headers: { 'content-type': 'application/octet-stream' } })
      settle({ result: (await response.json()) as TryResult })
    } catch (error) {
      settle({ error })
    }
  }
  return (
    <Card title="Try it" aside={<span class="muted">{what}</span>}>
      <label
        class={over ? 'drop over' : 'drop'}
        onDragOver={event => {
          event.preventDefault()
          setOver(true)
        }}
        onDragLeave={() => setOver(false)}
        onDrop={event => {
          event.preventDefault()
          setOver(false)
          void take(event.dataTransfer?.files[0])
        }}
      >
        <Icon name="picture" />
        <span>
          <b>Drop a picture here</b> <span class="muted">or choose a file. It is computed on the server and not kept.</span>
        </span>
        <input type="file" accept="image/*" aria-label="A picture to try" onChange={event => void take(event.currentTarget.files?.[0])} />
      </label>
      {tried === undefined ? null : <Outcome tried={tried} run={run} />}
    </Card>
  )
}
