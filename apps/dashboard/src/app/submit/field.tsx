import type { Catalog, FieldSchema } from './catalog.js'
import { defaultOf, isChoice, isFlag } from './spec-values.js'

interface FieldProps {
  readonly name: string
  readonly schema: FieldSchema
  readonly required: boolean
  readonly catalog: Catalog
  /** The network that is chosen, whose layers are offered. */
  readonly model: string
  readonly value: string
  readonly error: string | undefined
  readonly onInput: (text: string) => void
}

/** `learningRate` as `Learning rate`. */
const titleOf = (name: string): string => {
  const words = name.replaceAll(/([A-Z])/g, ' $1').toLowerCase()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

const examples: Readonly<Record<string, string>> = { source: 's3://bucket/photos/ or /data/photos', out: 's3://bucket/features or /data/features', model: 'resnet50', size: '320x256', layers: 'res4,pool5', head: '512' }

function suggestions({ name, catalog, model }: FieldProps): readonly string[] {
  if (name === 'model') return catalog.networks.map(({ id }) => id)
  if (name !== 'layers' && name !== 'layer') return []
  return catalog.networks.find(({ id }) => id === model)?.layers ?? []
}

function Control(props: FieldProps) {
  const { name, schema, required, value, error, onInput } = props
  const common = { id: `field-${name}`, name, 'aria-describedby': `help-${name}`, 'aria-invalid': error !== undefined, 'aria-required': required }
  if (isFlag(schema)) return <input {...common} aria-required={undefined} type="checkbox" checked={value === 'true'} onChange={event => onInput(event.currentTarget.checked ? 'true' : '')} />
  if (isChoice(schema)) {
    return (
      <select {...common} value={value} onChange={event => onInput(event.currentTarget.value)}>
        <option value="">{defaultOf(schema) === '' ? 'default' : `default: ${defaultOf(schema)}`}</option>
        {(schema.enum ?? []).map(option => <option key={option} value={option}>{option}</option>)}
      </select>
    )
  }
  const offered = suggestions(props)
  return (
    <>
      <input {...common} type="text" value={value} placeholder={defaultOf(schema) || examples[name]} list={offered.length > 0 ? `list-${name}` : undefined} spellcheck={false} autocomplete="off"
        onInput={event => onInput(event.currentTarget.value)} />
      {offered.length > 0 ? <datalist id={`list-${name}`}>{offered.map(option => <option key={option} value={option} />)}</datalist> : null}
    </>
  )
}

/** One field of a spec with what it means, and what is wrong with it. */
export function Field(props: FieldProps) {
  const { name, schema, required, error } = props
  return (
    <div class={isFlag(schema) ? 'field flag' : 'field'}>
      <label for={`field-${name}`}>{titleOf(name)}{required ? <span class="muted"> (needed)</span> : null}</label>
      <Control {...props} />
      <p id={`help-${name}`} class={error === undefined ? 'help muted' : 'help field-error'}>{error ?? schema.description ?? ''}</p>
    </div>
  )
}
