import type { RunDetail, RunSummary } from '@layermill/contracts'
import { useState } from 'preact/hooks'
import { may, patchJson } from '../core/api.js'
import { ProblemNote } from '../ui/parts.js'

/** Name, tags and notes of a run: shown, and changed by those who may. */
export function RunWords({ run, refresh }: { run: RunDetail; refresh: () => void }) {
  const [editing, setEditing] = useState(false)
  const [error, setError] = useState<unknown>()
  const { name = '', tags = [], notes = '' } = run
  const save = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    setError(undefined)
    const fields = new FormData(event.currentTarget as HTMLFormElement)
    const text = (field: string): string => {
      const value = fields.get(field)
      return typeof value === 'string' ? value.trim() : ''
    }
    const words = text('tags')
      .split(',')
      .map(tag => tag.trim())
      .filter(tag => tag !== '')
    try {
      await patchJson<RunSummary>(`/v1/runs/${run.id}`, { name: text('name'), tags: words, notes: text('notes') })
      setEditing(false)
      refresh()
    } catch (failure) {
      setError(failure)
    }
  }
  if (!editing)
    return (
      <div class="words">
        {tags.map(tag => (
          <span key={tag} class="tag">
            {tag}
          </span>
        ))}
        {notes === '' ? null : <p class="run-notes">{notes}</p>}
        {may('submit') ? (
          <button type="button" class="plain" onClick={() => setEditing(true)}>
            {name === '' && tags.length === 0 && notes === '' ? 'Name, tags, notes' : 'Change'}
          </button>
        ) : null}
      </div>
    )
  return (
    <form class="card words-form" aria-label="Name, tags and notes" onSubmit={event => void save(event)}>
      <label>
        Name
        <input type="text" name="name" maxLength={100} defaultValue={name} autofocus />
      </label>
      <label>
        Tags, with commas between them
        <input type="text" name="tags" maxLength={400} defaultValue={tags.join(', ')} />
      </label>
      <label>
        Notes
        <textarea name="notes" rows={3} maxLength={4000} defaultValue={notes} />
      </label>
      <ProblemNote error={error} />
      <div class="actions">
        <button type="submit" class="primary">
          Save
        </button>
        <button type="button" onClick={() => setEditing(false)}>
          Leave it
        </button>
      </div>
    </form>
  )
}
