import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { ProblemNote } from './parts.js'

interface ConfirmProps {
  readonly title: string
  /** Consequences of the action. */
  readonly children: ComponentChildren
  /** The word on the button. */
  readonly action: string
  readonly danger?: boolean
  /** Asks for a reason as well, which may be left empty; the field's label. */
  readonly reason?: string
  /** Carries it out; what it throws is shown, and the question stays. */
  readonly onConfirm: (reason: string) => Promise<void>
  /** The question is gone, whatever the answer. */
  readonly onClose: () => void
}

/** Asks before something is done. The browser's own dialog: it keeps the focus inside, Escape closes it, and the focus goes back to where it was. */
export function Confirm({ title, children, action, danger = false, reason, onConfirm, onClose }: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [text, setText] = useState('')
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>()
  useEffect(() => dialog.current?.showModal(), [])
  const confirm = async (event: Event): Promise<void> => {
    event.preventDefault()
    setBusy(true)
    setError(undefined)
    try {
      await onConfirm(text.trim())
      dialog.current?.close()
    } catch (failure) {
      setError(failure)
    }
    setBusy(false)
  }
  return (
    <dialog ref={dialog} class="confirm" aria-labelledby="confirm-title" onClose={onClose}>
      <form onSubmit={event => void confirm(event)}>
        <h2 id="confirm-title">{title}</h2>
        <div class="said">{children}</div>
        {reason === undefined ? null : (
          <label class="reason">
            {reason}
            <input type="text" name="reason" maxLength={1000} value={text} onInput={event => setText(event.currentTarget.value)} />
          </label>
        )}
        <ProblemNote error={error} />
        <div class="actions">
          <button type="submit" class={danger ? 'danger' : 'primary'} disabled={busy}>
            {action}
          </button>
          <button type="button" autofocus={danger} onClick={() => dialog.current?.close()}>
            Leave it
          </button>
        </div>
      </form>
    </dialog>
  )
}
