import type { ScheduleDetail } from '@layermill/contracts'
import { useState } from 'preact/hooks'
import { ApiError, patchJson, postJson } from '../core/api.js'
import { usePolled } from '../core/poll.js'
import { go, link, route } from '../core/route.js'
import { type Catalog, useCatalog } from '../submit/catalog.js'
import { fieldErrors, type FormErrors, noErrors } from '../submit/field-errors.js'
import { Field, type Offer } from '../submit/field.js'
import { type SpecDraft, SpecFields, useFocusOnError } from '../submit/spec-form.js'
import { textOf, toFields, toSpec, toValues, type Values } from '../submit/spec-values.js'
import { useTemplate } from '../submit/submit-page.js'
import { Loading, ProblemNote } from '../ui/parts.js'

const times: readonly Offer[] = [
  { value: '0 3 * * *', text: 'every night at 3:00' },
  { value: '0 * * * *', text: 'every hour' },
  { value: '*/15 * * * *', text: 'every 15 minutes' },
  { value: '0 3 * * 1', text: 'Mondays at 3:00' },
  { value: '0 3 1 * *', text: 'the first of each month at 3:00' },
]
const zones = (): readonly Offer[] => ['UTC', ...Intl.supportedValuesOf('timeZone')].map(value => ({ value }))

const more = {
  out: 'May contain {date}, {time} and {run}; what starts anew each time needs one of them, or overwrite.',
  notify: "With these the schedule's own are told.",
}

/** Fields that are changed to what they are when nothing is said: leaving them out would leave them as they are. */
function cleared(catalog: Catalog): Record<string, unknown> {
  const { properties } = catalog.schedule
  return Object.fromEntries(
    Object.entries(properties).flatMap(([name, schema]) => (schema.default === undefined ? [] : [[name, schema.default]])),
  )
}

/** Body of the request: a whole schedule, or every field of a known one but its name. */
function bodyOf(catalog: Catalog, rules: Values, { kind, values }: SpecDraft, known: boolean): Record<string, unknown> {
  const { name, ...fields } = toFields(rules, catalog.schedule.properties)
  const spec = toSpec(kind, values, catalog.specs[kind]?.properties ?? {})
  return known ? { notify: [], ...cleared(catalog), ...fields, spec } : { name: name ?? '', ...fields, spec }
}

const ruleNames = ['name', 'cron', 'tz', 'overlap', 'missed', 'unchanged', 'notify'] as const

const rulesOf = (schedule: ScheduleDetail): Values => Object.fromEntries(ruleNames.map(name => [name, textOf(name, schedule[name])]))

interface FormProps {
  readonly catalog: Catalog
  /** The schedule that is changed; a new one without. */
  readonly schedule?: ScheduleDetail
}

function Rules({
  catalog,
  rules,
  errors,
  known,
  onInput,
}: {
  catalog: Catalog
  rules: Values
  errors: FormErrors
  known: boolean
  onInput: (name: string, text: string) => void
}) {
  const { properties, required = [] } = catalog.schedule
  const offers: Readonly<Record<string, readonly Offer[]>> = { cron: times, tz: zones() }
  return (
    <div class="fields">
      {ruleNames
        .filter(name => name !== 'name' || !known)
        .map(name => (
          <Field
            key={name}
            name={name}
            schema={properties[name] ?? {}}
            required={required.includes(name)}
            offered={offers[name]}
            value={rules[name] ?? ''}
            error={errors.fields[name]}
            onInput={text => onInput(name, text)}
          />
        ))}
    </div>
  )
}

function Form({ catalog, schedule }: FormProps) {
  const known = schedule !== undefined
  const [rules, setRules] = useState<Values>(known ? rulesOf(schedule) : { tz: new Intl.DateTimeFormat().resolvedOptions().timeZone })
  const [draft, setDraft] = useState<SpecDraft>(
    known
      ? { kind: schedule.kind, values: toValues(schedule.spec, catalog.specs[schedule.kind]?.properties ?? {}) }
      : { kind: 'finetune', values: {} },
  )
  const [errors, setErrors] = useState<FormErrors>(noErrors)
  const [busy, setBusy] = useState(false)
  useTemplate(known ? undefined : route.value[1], catalog, setDraft)
  useFocusOnError(errors)
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    setBusy(true)
    setErrors(noErrors)
    try {
      const body = bodyOf(catalog, rules, draft, known)
      const { name } = known
        ? await patchJson<ScheduleDetail>(`/v1/schedules/${encodeURIComponent(schedule.name)}`, body)
        : await postJson<ScheduleDetail>('/v1/schedules', body)
      go('schedules', name)
      return
    } catch (error) {
      const fields = [...ruleNames, ...Object.keys(catalog.specs[draft.kind]?.properties ?? {}).map(name => `spec.${name}`)]
      setErrors(error instanceof ApiError ? fieldErrors(error.problem, fields) : { fields: {}, rest: [String(error)] })
    }
    setBusy(false)
  }
  return (
    <form class="card submit" onSubmit={event => void submit(event)} noValidate>
      {errors.rest.length === 0 ? null : <ProblemNote error={errors.rest.join('\n')} />}
      <h2>When to do it</h2>
      <Rules catalog={catalog} rules={rules} errors={errors} known={known} onInput={(name, text) => setRules({ ...rules, [name]: text })} />
      <SpecFields catalog={catalog} draft={draft} errors={errors} prefix="spec." more={more} onChange={setDraft} />
      <div class="actions">
        <button type="submit" class="primary" disabled={busy}>
          {busy ? 'Saving …' : known ? 'Save changes' : 'Add schedule'}
        </button>
        <a href={known ? link('schedules', schedule.name) : link('schedules')}>{known ? 'Leave it as it is' : 'Back to the schedules'}</a>
      </div>
    </form>
  )
}

/** The form of a new schedule; with the spec of a run where the address names one. */
export function NewSchedulePage() {
  const catalog = useCatalog()
  return (
    <>
      <header class="page">
        <div>
          <p class="crumb">
            <a href={link('schedules')}>Schedules</a>
          </p>
          <h1>New schedule</h1>
        </div>
      </header>
      {catalog === undefined ? <Loading what="the form" /> : <Form catalog={catalog} />}
    </>
  )
}

/** The form of a schedule that is there. */
export function EditSchedulePage({ name }: { name: string }) {
  const catalog = useCatalog()
  const { data, error } = usePolled<ScheduleDetail>(`/v1/schedules/${encodeURIComponent(name)}`, 0)
  return (
    <>
      <header class="page">
        <div>
          <p class="crumb">
            <a href={link('schedules', name)}>{name}</a>
          </p>
          <h1>Edit {name}</h1>
        </div>
      </header>
      <ProblemNote error={error} />
      {catalog === undefined || data === undefined ? (
        error === undefined ? (
          <Loading what={name} />
        ) : null
      ) : (
        <Form catalog={catalog} schedule={data} />
      )}
    </>
  )
}
