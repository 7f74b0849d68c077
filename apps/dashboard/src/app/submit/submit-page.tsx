import type { RunDetail, RunSummary } from '@layermill/orchestrator/api'
import { useEffect, useState } from 'preact/hooks'
import { ApiError, getJson, postJson } from '../core/api.js'
import { go, link, route } from '../core/route.js'
import { Empty, Loading, ProblemNote } from '../ui/parts.js'
import { type Catalog, useCatalog } from './catalog.js'
import { fieldErrors, type FormErrors } from './field-errors.js'
import { Field } from './field.js'
import { textOf, toSpec, type Values } from './spec-values.js'

const kinds = [
  { name: 'extract', title: 'Extract', text: 'Activations of layers, as files' },
  { name: 'predict', title: 'Predict', text: 'The likeliest classes of each image' },
  { name: 'finetune', title: 'Fine-tune', text: 'A new head on a pretrained network' },
] as const

const first: Readonly<Record<string, readonly string[]>> = {
  extract: ['source', 'model', 'layers', 'out'],
  predict: ['source', 'model', 'top', 'out'],
  finetune: ['source', 'model', 'layer', 'head', 'base', 'epochs', 'out'],
}
/** Asks for what no server does: a plan is printed by the command. */
const leftOut = new Set(['kind', 'plan'])
const noErrors: FormErrors = { fields: {}, rest: [] }

/** Starts the form with another run's spec where the address names one. */
function useTemplate(id: string | undefined, start: (kind: string, values: Values) => void): void {
  useEffect(() => {
    if (id === undefined) return
    void getJson<RunDetail>(`/v1/runs/${id}`).then(({ kind, spec }) => {
      start(kind, Object.fromEntries(Object.entries(spec).map(([name, value]) => [name, textOf(name, value)])))
    }, () => undefined)
  }, [id])
}

function Form({ catalog }: { catalog: Catalog }) {
  const [kind, setKind] = useState('extract')
  const [values, setValues] = useState<Values>({})
  const [errors, setErrors] = useState<FormErrors>(noErrors)
  const [busy, setBusy] = useState(false)
  useTemplate(route.value[1], (wanted, texts) => {
    setKind(wanted)
    setValues(texts)
  })
  const properties = catalog.specs[kind]?.properties ?? {}
  const main = first[kind] ?? []
  const more = Object.keys(properties).filter(name => !main.includes(name) && !leftOut.has(name))
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    setBusy(true)
    setErrors(noErrors)
    try {
      const run = await postJson<RunSummary>('/v1/runs', toSpec(kind, values, properties))
      go('runs', run.id)
      return
    } catch (error) {
      setErrors(error instanceof ApiError ? fieldErrors(error.problem, Object.keys(properties)) : { fields: {}, rest: [String(error)] })
    }
    setBusy(false)
  }
  const wrong = Object.keys(errors.fields)
  useEffect(() => {
    if (wrong[0] !== undefined) document.getElementById(`field-${main.find(name => wrong.includes(name)) ?? wrong[0]}`)?.focus()
  }, [errors])
  const field = (name: string) => (
    <Field key={`${kind}/${name}`} name={name} schema={properties[name] ?? {}} required={catalog.specs[kind]?.required?.includes(name) === true} catalog={catalog} model={values['model'] ?? ''}
      value={values[name] ?? ''} error={errors.fields[name]} onInput={text => setValues(old => ({ ...old, [name]: text }))} />
  )
  return (
    <form class="card submit" onSubmit={event => void submit(event)} noValidate>
      <fieldset class="kinds">
        <legend>What to do</legend>
        {kinds.map(({ name, title, text }) => (
          <label key={name} class="kind">
            <input type="radio" name="kind" value={name} checked={kind === name} onChange={() => { setKind(name); setErrors(noErrors) }} />
            <b>{title}</b><span class="muted">{text}</span>
          </label>
        ))}
      </fieldset>
      {errors.rest.length === 0 ? null : <ProblemNote error={errors.rest.join('\n')} />}
      <div class="fields">{main.map(field)}</div>
      <details open={wrong.some(name => more.includes(name))}>
        <summary>{more.length} more settings</summary>
        <div class="fields">{more.map(field)}</div>
      </details>
      <div class="actions">
        <button type="submit" class="primary" disabled={busy}>{busy ? 'Submitting …' : 'Submit run'}</button>
        <a href={link('runs')}>Back to the runs</a>
      </div>
    </form>
  )
}

/** The form of a new run. The server checks it; what it says is shown at the fields. */
export function SubmitPage() {
  const catalog = useCatalog()
  return (
    <>
      <header class="page"><h1>New run</h1></header>
      {catalog === undefined ? <Loading what="the form" /> : catalog.networks.length === 0 ? <Empty title="There are no networks" /> : <Form catalog={catalog} />}
    </>
  )
}
