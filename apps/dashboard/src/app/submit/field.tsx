import type { Catalog, FieldSchema } from './catalog.js'
import { defaultOf, isChoice, isFlag } from './spec-values.js'

export interface FieldProps {
  readonly name: string
  /** Before the name in what the form calls the field: tells a schedule's fields from those of its spec. */
  readonly prefix?: string
  readonly schema: FieldSchema
  readonly required: boolean
  readonly value: string
  readonly error: string | undefined
  /** Offered for a text field. */
  readonly offered?: readonly Offer[]
  /** Added to what the field means. */
  readonly more?: string
  readonly onInput: (text: string) => void
}

/** A value and, where it does not say it all, what it means. */
export interface Offer {
  readonly value: string
  readonly text?: string
}

/** `learningRate` as `Learning rate`. */
const titleOf = (name: string): string => {
  const words = name === 'tz' ? 'time zone' : name.replaceAll(/([A-Z])/g, ' $1').toLowerCase()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

const examples: Readonly<Record<string, string>> = {
  source: 's3://bucket/photos/ or /data/photos',
  out: 's3://bucket/features or /data/features',
  model: 'resnet50',
  size: '320x256',
  layers: 'res4,pool5',
  head: '512',
  name: 'nightly',
  cron: '0 3 * * *',
  tz: 'Europe/Berlin',
  register: 'pets',
}

/** Values offered for a field of a spec, where they are known: networks and registered models, the layers of the one that is chosen. */
export function offersOf(
  name: string,
  { catalog, models, model }: { catalog: Catalog; models: readonly string[]; model: string },
): readonly Offer[] {
  if (name === 'model')
    return [...models.map(registered => ({ value: `${registered}@latest` })), ...catalog.networks.map(({ id }) => ({ value: id }))]
  if (name === 'register') return models.map(value => ({ value }))
  if (name !== 'layers' && name !== 'layer') return []
  return (catalog.networks.find(({ id }) => id === model)?.layers ?? []).map(value => ({ value }))
}

function Control({ name, prefix = '', schema, required, value, error, offered = [], onInput }: FieldProps) {
  const id = `${prefix}${name}`
  const common = {
    id: `field-${id}`,
    name: id,
    'aria-describedby': `help-${id}`,
    'aria-invalid': error !== undefined,
    'aria-required': required,
  }
  if (isFlag(schema))
    return (
      <input
        {...common}
        aria-required={undefined}
        type="checkbox"
        checked={value === 'true'}
        onChange={event => onInput(event.currentTarget.checked ? 'true' : '')}
      />
    )
  if (isChoice(schema)) {
    return (
      <select {...common} value={value} onChange={event => onInput(event.currentTarget.value)}>
        <option value="">{defaultOf(schema) === '' ? 'default' : `default: ${defaultOf(schema)}`}</option>
        {(schema.enum ?? []).map(option => (
          <option key={option} value={option}>
            {option}
          </option>
        ))}
      </select>
    )
  }
  return (
    <>
      <input
        {...common}
        type="text"
        value={value}
        placeholder={defaultOf(schema, name) || examples[name]}
        list={offered.length > 0 ? `list-${id}` : undefined}
        spellcheck={false}
        autocomplete="off"
        onInput={event => onInput(event.currentTarget.value)}
      />
      {offered.length > 0 ? (
        <datalist id={`list-${id}`}>
          {offered.map(({ value: option, text }) => (
            <option key={option} value={option}>
              {text}
            </option>
          ))}
        </datalist>
      ) : null}
    </>
  )
}

/** One field of a spec or a schedule with what it means, and what is wrong with it. */
export function Field(props: FieldProps) {
  const { name, prefix = '', schema, required, error, more } = props
  const id = `${prefix}${name}`
  const help = [schema.description, more].filter(text => text !== undefined).join(' ')
  return (
    <div class={isFlag(schema) ? 'field flag' : 'field'}>
      <label for={`field-${id}`}>
        {titleOf(name)}
        {required ? <span class="muted"> (needed)</span> : null}
      </label>
      <Control {...props} />
      <p id={`help-${id}`} class={error === undefined ? 'help muted' : 'help field-error'}>
        {error ?? help}
      </p>
    </div>
  )
}
