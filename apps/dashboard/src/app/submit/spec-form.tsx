import type { ModelSummary } from '@layermill/contracts'
import { useEffect, useState } from 'preact/hooks'
import { getJson } from '../core/api.js'
import type { Catalog } from './catalog.js'
import type { FormErrors } from './field-errors.js'
import { Field, offersOf } from './field.js'
import type { Values } from './spec-values.js'

const kinds = [
  { name: 'extract', title: 'Extract', text: 'Activations of layers, as files' },
  { name: 'predict', title: 'Predict', text: 'The likeliest classes of each image' },
  { name: 'finetune', title: 'Fine-tune', text: 'A new head on a pretrained network' },
] as const

const first: Readonly<Record<string, readonly string[]>> = {
  extract: ['source', 'model', 'layers', 'out'],
  predict: ['source', 'model', 'top', 'out'],
  finetune: ['source', 'model', 'layer', 'head', 'base', 'epochs', 'register', 'out'],
}
/** Asks for what no server does: a plan is printed by the command. */
const leftOut = new Set(['kind', 'plan'])

/** A spec as it stands in a form. */
export interface SpecDraft {
  readonly kind: string
  readonly values: Values
}

/** Names of the registered models; none where there is no registry. */
function useModels(): readonly string[] {
  const [names, setNames] = useState<readonly string[]>([])
  useEffect(() => {
    getJson<{ models: ModelSummary[] }>('/v1/models').then(
      ({ models }) => setNames(models.map(({ name }) => name)),
      () => undefined,
    )
  }, [])
  return names
}

/** Moves to the first field that is wrong, in the order of the page. */
export function useFocusOnError(errors: FormErrors): void {
  useEffect(() => {
    if (Object.keys(errors.fields).length > 0) document.querySelector<HTMLElement>('form [aria-invalid="true"]')?.focus()
  }, [errors])
}

interface SpecFieldsProps {
  readonly catalog: Catalog
  readonly draft: SpecDraft
  readonly errors: FormErrors
  /** Before the fields' names in the server's errors. */
  readonly prefix?: string
  /** Meanings that fields have in this form, besides those that they have in all. */
  readonly more?: Readonly<Record<string, string>>
  readonly onChange: (draft: SpecDraft) => void
}

/** The kind of run and the fields of its spec: those that most runs name, and all others behind a fold. */
export function SpecFields({ catalog, draft: { kind, values }, errors, prefix = '', more = {}, onChange }: SpecFieldsProps) {
  const models = useModels()
  const { properties = {}, required = [] } = catalog.specs[kind] ?? {}
  const main = (first[kind] ?? []).filter(name => name in properties)
  const others = Object.keys(properties).filter(name => !main.includes(name) && !leftOut.has(name))
  const field = (name: string) => (
    <Field
      key={`${kind}/${name}`}
      name={name}
      prefix={prefix}
      schema={properties[name] ?? {}}
      required={required.includes(name)}
      offered={offersOf(name, { catalog, models, model: values['model'] ?? '' })}
      more={more[name]}
      value={values[name] ?? ''}
      error={errors.fields[`${prefix}${name}`]}
      onInput={text => onChange({ kind, values: { ...values, [name]: text } })}
    />
  )
  return (
    <>
      <fieldset class="kinds">
        <legend>What to do</legend>
        {kinds.map(({ name, title, text }) => (
          <label key={name} class="kind">
            <input type="radio" name="kind" value={name} checked={kind === name} onChange={() => onChange({ kind: name, values })} />
            <b>{title}</b>
            <span class="muted">{text}</span>
          </label>
        ))}
      </fieldset>
      <div class="fields">{main.map(field)}</div>
      <details open={others.some(name => errors.fields[`${prefix}${name}`] !== undefined)}>
        <summary>{others.length} more settings</summary>
        <div class="fields">{others.map(field)}</div>
      </details>
    </>
  )
}
