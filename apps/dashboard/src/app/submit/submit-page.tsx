import type { RunDetail, RunSummary } from '@layermill/contracts'
import { useEffect, useState } from 'preact/hooks'
import { ApiError, getJson, postJson } from '../core/api.js'
import { go, link, route } from '../core/route.js'
import { Empty, Loading, ProblemNote } from '../ui/parts.js'
import { type Catalog, useCatalog } from './catalog.js'
import { fieldErrors, type FormErrors, noErrors } from './field-errors.js'
import { type SpecDraft, SpecFields, useFocusOnError } from './spec-form.js'
import { toSpec, toValues } from './spec-values.js'

/** Starts a form with another run's spec where the address names one. */
export function useTemplate(id: string | undefined, catalog: Catalog, start: (draft: SpecDraft) => void): void {
  useEffect(() => {
    if (id === undefined) return
    void getJson<RunDetail>(`/v1/runs/${id}`).then(
      ({ kind, spec }) => start({ kind, values: toValues(spec, catalog.specs[kind]?.properties ?? {}) }),
      () => undefined,
    )
  }, [id])
}

function Form({ catalog }: { catalog: Catalog }) {
  const [draft, setDraft] = useState<SpecDraft>({ kind: 'extract', values: {} })
  const [errors, setErrors] = useState<FormErrors>(noErrors)
  const [busy, setBusy] = useState(false)
  useTemplate(route.value[1], catalog, setDraft)
  useFocusOnError(errors)
  const properties = catalog.specs[draft.kind]?.properties ?? {}
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    setBusy(true)
    setErrors(noErrors)
    try {
      const run = await postJson<RunSummary>('/v1/runs', toSpec(draft.kind, draft.values, properties))
      go('runs', run.id)
      return
    } catch (error) {
      setErrors(error instanceof ApiError ? fieldErrors(error.problem, Object.keys(properties)) : { fields: {}, rest: [String(error)] })
    }
    setBusy(false)
  }
  const change = (next: SpecDraft): void => {
    if (next.kind !== draft.kind) setErrors(noErrors)
    setDraft(next)
  }
  return (
    <form class="card submit" onSubmit={event => void submit(event)} noValidate>
      {errors.rest.length === 0 ? null : <ProblemNote error={errors.rest.join('\n')} />}
      <SpecFields catalog={catalog} draft={draft} errors={errors} onChange={change} />
      <div class="actions">
        <button type="submit" class="primary" disabled={busy}>
          {busy ? 'Submitting …' : 'Submit run'}
        </button>
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
      <header class="page">
        <h1>New run</h1>
      </header>
      {catalog === undefined ? (
        <Loading what="the form" />
      ) : catalog.networks.length === 0 ? (
        <Empty title="There are no networks" />
      ) : (
        <Form catalog={catalog} />
      )}
    </>
  )
}
