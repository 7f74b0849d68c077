import type { TryResult } from '@layermill/contracts'
import { useEffect, useRef, useState } from 'preact/hooks'
import { send } from '../core/api.js'
import { percent } from '../core/format.js'
import { Icon } from '../ui/icons.js'
import { Card, ProblemNote } from '../ui/parts.js'
import { Thumbnail } from '../ui/thumbnail.js'

/** Bytes that the server takes. */
const largest = 16 * 1024 * 1024

/** Sends a picture. @throws ApiError */
async function tryPicture(path: string, file: File): Promise<TryResult> {
  const response = await send(path, { method: 'POST', body: file, headers: { 'content-type': 'application/octet-stream' } })
  return (await response.json()) as TryResult
}

interface Tried {
  readonly name: string
  readonly url: string
  readonly file: File
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

/** Answers of one of several targets. */
function Head({ head: { name, classes, labels, values = [] } }: { head: NonNullable<TryResult['heads']>[number] }) {
  return (
    <section>
      <h3>{name}</h3>
      {classes.length === 0 ? null : <Classes classes={classes} />}
      {labels === undefined ? null : <p class="muted">{labels.length === 0 ? 'None is given.' : `Given: ${labels.join(', ')}.`}</p>}
      {values.map(({ label, value }) => (
        <p key={label}>
          {label === name ? '' : `${label}: `}
          <b>{value.toPrecision(6)}</b>
        </p>
      ))}
    </section>
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

/** The picture as the model sees it, warm where it speaks for its likeliest class; computed when it is asked for. */
function Why({ path, file }: { path: string; file: File }) {
  const [asked, setAsked] = useState(false)
  const [found, setFound] = useState<{ why?: TryResult['why']; url?: string; error?: unknown }>({})
  useEffect(
    () => () => {
      if (found.url !== undefined) URL.revokeObjectURL(found.url)
    },
    [found.url],
  )
  const ask = async (): Promise<void> => {
    setAsked(true)
    try {
      const { why } = await tryPicture(`${path}&explain=true`, file)
      const { overlay } = why ?? {}
      const bytes = overlay === undefined ? undefined : Uint8Array.from(atob(overlay), character => character.charCodeAt(0))
      setFound({ why, ...(bytes === undefined ? {} : { url: URL.createObjectURL(new Blob([bytes], { type: 'image/png' })) }) })
    } catch (error) {
      setFound({ error })
    }
  }
  const { why, url, error } = found
  return (
    <div class="why" aria-live="polite">
      {asked ? null : (
        <button type="button" onClick={() => void ask()}>
          Why?
        </button>
      )}
      {asked && why === undefined && error === undefined ? <p class="muted">Looking for what speaks for it …</p> : null}
      <ProblemNote error={error} />
      {why === undefined ? null : (
        <>
          {url === undefined ? null : <img src={url} alt={`Places that speak for ${why.label}`} />}
          <p class="muted">
            {url === undefined
              ? `Nothing in the picture speaks for ${why.label} at ${why.layer}.`
              : `Warm places speak for ${why.label}, by Grad-CAM at ${why.layer}.`}
          </p>
        </>
      )}
    </div>
  )
}

function Outcome({ tried: { name, url, file, result, error }, run, path }: { tried: Tried; run: string | undefined; path: string }) {
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
        {result?.heads?.map(head => (
          <Head key={head.name} head={head} />
        ))}
        {result?.classes === undefined ? null : <Why key={url} path={path} file={file} />}
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
    const shown = { name: file.name, file, url: URL.createObjectURL(file) }
    setTried(shown)
    const settle = (more: Pick<Tried, 'result' | 'error'>): void => {
      if (turn === latest.current) setTried({ ...shown, ...more })
    }
    if (file.size > largest) return settle({ error: new Error(`${file.name} is larger than 16 MiB, which is the most that can be tried`) })
    try {
      settle({ result: await tryPicture(path, file) })
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
      {tried === undefined ? null : <Outcome tried={tried} run={run} path={path} />}
    </Card>
  )
}
