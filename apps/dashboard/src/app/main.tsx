import { render } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { loginReason, may, openSession, session } from './core/api.js'
import { route } from './core/route.js'
import { ModelPage, ModelsPage } from './fleet/models-page.js'
import { isQueueJobState, QueuePage } from './fleet/queue-page.js'
import { QueuesPage } from './fleet/queues-page.js'
import { WorkersPage } from './fleet/workers-page.js'
import { ComparePage } from './runs/compare-page.js'
import { RunPage } from './runs/run-page.js'
import { RunsPage } from './runs/runs-page.js'
import { EditSchedulePage, NewSchedulePage } from './schedules/schedule-form.js'
import { SchedulePage } from './schedules/schedule-page.js'
import { SchedulesPage } from './schedules/schedules-page.js'
import { SubmitPage } from './submit/submit-page.js'
import { Login } from './ui/login.js'
import { Empty, ProblemNote } from './ui/parts.js'
import { Shell } from './ui/shell.js'

function Page() {
  const [place, id, view] = route.value
  useEffect(() => {
    document.title = `${id ?? place ?? 'Runs'} · Layermill`
  }, [place, id])
  if (place === 'runs') return id === undefined ? <RunsPage /> : <RunPage key={id} id={id} view={view ?? 'overview'} />
  if (place === 'compare') return <ComparePage key={route.value.join('/')} ids={route.value.slice(1)} />
  if (place === 'new') return <SubmitPage />
  if (place === 'workers') return <WorkersPage />
  if (place === 'queues')
    return id === undefined || !may('admin') ? (
      <QueuesPage />
    ) : (
      <QueuePage key={id} queue={id} state={isQueueJobState(view) ? view : 'failed'} />
    )
  if (place === 'new-schedule') return <NewSchedulePage />
  if (place === 'schedules')
    return id === undefined ? (
      <SchedulesPage />
    ) : view === 'edit' ? (
      <EditSchedulePage key={id} name={id} />
    ) : (
      <SchedulePage key={id} name={id} />
    )
  if (place === 'models') return id === undefined ? <ModelsPage /> : <ModelPage key={id} name={id} />
  return (
    <Empty title="There is nothing here">
      <a href="#/runs">To the runs</a>
    </Empty>
  )
}

function App() {
  const [error, setError] = useState<unknown>()
  useEffect(() => {
    openSession().catch((failure: unknown) => setError(failure))
  }, [])
  if (loginReason.value !== undefined) return <Login />
  if (session.value === undefined) return <main class="login">{error === undefined ? null : <ProblemNote error={error} />}</main>
  return (
    <Shell>
      <Page />
    </Shell>
  )
}

const root = document.getElementById('app')
if (root !== null) render(<App />, root)
