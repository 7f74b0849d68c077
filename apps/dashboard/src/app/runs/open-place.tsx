import type { RunSummary } from '@layermill/contracts'
import { useEffect, useRef, useState } from 'preact/hooks'
import { postJson } from '../core/api.js'
import { go } from '../core/route.js'
import { ProblemNote } from '../ui/parts.js'

function OpenDialog({ onClose }: { onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [place, setPlace] = useState('')
  const [error, setError] = useState<unknown>()
  useEffect(() => dialog.current?.showModal(), [])
  const open = async (event: Event): Promise<void> => {
    event.preventDefault()
    setError(undefined)
    try {
      const run = await postJson<RunSummary>('/v1/runs/open', { place: place.trim() })
      dialog.current?.close()
      go('runs', run.id)
    } catch (failure) {
      setError(failure)
    }
  }
  return (
    <dialog ref={dialog} class="confirm" aria-labelledby="open-title" onClose={onClose}>
      <form onSubmit={event => void open(event)}>
        <h2 id="open-title">Open a run from its files</h2>
        <div class="said">
          <p class="muted">A folder or bucket with a run.json: of another machine, an earlier queue, or a command without a server.</p>
        </div>
        <label class="reason">
          Place
          <input
            type="text"
            name="place"
            required
            maxLength={2048}
            spellcheck={false}
            autocomplete="off"
            placeholder="/data/features or s3://bucket/features"
            value={place}
            onInput={event => setPlace(event.currentTarget.value)}
          />
        </label>
        <ProblemNote error={error} />
        <div class="actions">
          <button type="submit" class="primary" disabled={place.trim() === ''}>
            Open it
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Leave it
          </button>
        </div>
      </form>
    </dialog>
  )
}

/** A button that asks for the place of a run's files. */
export function OpenPlace() {
  const [asking, setAsking] = useState(false)
  return (
    <>
      <button type="button" onClick={() => setAsking(true)}>
        Open from files
      </button>
      {asking ? <OpenDialog onClose={() => setAsking(false)} /> : null}
    </>
  )
}
