import { type ColumnName, columnNames } from './columns.js'

const states = ['all', 'running', 'done', 'failed', 'cancelled'] as const

const orders = [
  { sort: 'created', order: 'down', title: 'newest first' },
  { sort: 'created', order: 'up', title: 'oldest first' },
  { sort: 'name', order: 'up', title: 'by name' },
  { sort: 'state', order: 'up', title: 'by state' },
  { sort: 'images', order: 'down', title: 'most images' },
  { sort: 'seconds', order: 'down', title: 'longest' },
  { sort: 'accuracy', order: 'down', title: 'most accurate' },
] as const

/** Filters and order of the list of runs. */
export interface Look {
  readonly state: (typeof states)[number]
  readonly search: string
  readonly tag: string | undefined
  readonly sort: (typeof orders)[number]['sort']
  readonly order: 'up' | 'down'
}

export const startLook: Look = { state: 'all', search: '', tag: undefined, sort: 'created', order: 'down' }

interface RunToolsProps {
  readonly look: Look
  readonly columns: readonly ColumnName[]
  readonly onChange: (look: Look) => void
  readonly onColumns: (columns: readonly ColumnName[]) => void
}

/** Search, order, states and columns of the list of runs. */
export function RunTools({ look, columns, onChange, onColumns }: RunToolsProps) {
  return (
    <div class="tools" role="search" aria-label="Runs">
      <input
        type="search"
        class="search"
        aria-label="Search runs"
        placeholder="Search names, tags, models, places"
        maxLength={200}
        value={look.search}
        onInput={event => onChange({ ...look, search: event.currentTarget.value })}
      />
      <label>
        <span class="hidden">Order</span>
        <select
          value={`${look.sort} ${look.order}`}
          onChange={event => {
            const found = orders.find(({ sort, order }) => `${sort} ${order}` === event.currentTarget.value)
            if (found !== undefined) onChange({ ...look, sort: found.sort, order: found.order })
          }}
        >
          {orders.map(({ sort, order, title }) => (
            <option key={title} value={`${sort} ${order}`}>
              {title}
            </option>
          ))}
        </select>
      </label>
      <div class="segments" role="group" aria-label="Show runs that are">
        {states.map(name => (
          <button key={name} type="button" aria-pressed={look.state === name} onClick={() => onChange({ ...look, state: name })}>
            {name}
          </button>
        ))}
      </div>
      <details class="menu">
        <summary class="button">Columns</summary>
        <fieldset>
          <legend class="hidden">Columns</legend>
          {columnNames.map(name => (
            <label key={name}>
              <input
                type="checkbox"
                checked={columns.includes(name)}
                onChange={event =>
                  onColumns(columnNames.filter(column => (column === name ? event.currentTarget.checked : columns.includes(column))))
                }
              />
              {name}
            </label>
          ))}
        </fieldset>
      </details>
      {look.tag === undefined ? null : (
        <button type="button" class="tag" onClick={() => onChange({ ...look, tag: undefined })} title="Show runs with any tag">
          {look.tag} <span aria-hidden="true">×</span>
        </button>
      )}
    </div>
  )
}
