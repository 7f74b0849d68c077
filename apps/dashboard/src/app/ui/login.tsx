import { useState } from 'preact/hooks'
import { loginReason, messageOf, openSession } from '../core/api.js'
import { Icon } from './icons.js'

/** Asks for a token. */
export function Login() {
  const [value, setValue] = useState('')
  const [error, setError] = useState(loginReason.value ?? '')
  const [busy, setBusy] = useState(false)
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    setBusy(true)
    try {
      await openSession(value.trim())
    } catch (failure) {
      setError(messageOf(failure))
    }
    setBusy(false)
  }
  return (
    <main class="login">
      <form onSubmit={event => void submit(event)}>
        <h1>
          <Icon name="brand" />
          Layermill
        </h1>
        <label for="token">Token</label>
        <input
          id="token"
          name="token"
          type="password"
          autocomplete="current-password"
          spellcheck={false}
          required
          value={value}
          autofocus
          aria-describedby="token-help"
          aria-invalid={error !== ''}
          onInput={event => setValue(event.currentTarget.value)}
        />
        <p id="token-help" class={error === '' ? 'muted' : 'field-error'} role={error === '' ? undefined : 'alert'}>
          {error === '' ? (
            <>
              Made with <code>layermill tokens add NAME --scopes read</code>. It is kept until this tab is closed.
            </>
          ) : (
            error
          )}
        </p>
        <button type="submit" class="primary" disabled={busy || value.trim() === ''}>
          Sign in
        </button>
      </form>
    </main>
  )
}
