import type { ComponentChildren } from 'preact'
import { closeSession, may, session, token } from '../core/api.js'
import { link, route } from '../core/route.js'
import { theme, toggleTheme } from '../core/theme.js'
import { Icon, type IconName } from './icons.js'

interface Place {
  readonly path: string
  readonly title: string
  readonly icon: IconName
}

const places: readonly Place[] = [
  { path: 'runs', title: 'Runs', icon: 'runs' },
  { path: 'schedules', title: 'Schedules', icon: 'schedules' },
  { path: 'models', title: 'Models', icon: 'models' },
  { path: 'workers', title: 'Workers', icon: 'workers' },
  { path: 'queues', title: 'Queues', icon: 'queues' },
]

function Navigation() {
  const [place = 'runs'] = route.value
  const current = place === 'new-schedule' ? 'schedules' : place === 'compare' ? 'runs' : place
  return (
    <nav aria-label="Main">
      <ul>
        {places.map(({ path, title, icon }) => (
          <li key={path}>
            <a href={link(path)} aria-current={current === path ? 'page' : undefined}>
              <Icon name={icon} />
              {title}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  )
}

function Account() {
  const dark = theme.value === 'dark'
  return (
    <div class="account">
      <button
        type="button"
        class="quiet"
        onClick={toggleTheme}
        aria-label={dark ? 'Use the light theme' : 'Use the dark theme'}
        title={dark ? 'Light theme' : 'Dark theme'}
      >
        <Icon name={dark ? 'sun' : 'moon'} />
      </button>
      {session.value === undefined ? null : (
        <span class="who" title={`May: ${session.value.scopes.join(', ')}`}>
          {session.value.name}
        </span>
      )}
      {token.value === '' ? null : (
        <button type="button" class="quiet" onClick={closeSession} aria-label="Sign out" title="Sign out">
          <Icon name="leave" />
        </button>
      )}
    </div>
  )
}

/** Frame around every page. */
export function Shell({ children }: { children: ComponentChildren }) {
  return (
    <div class="shell">
      <a
        class="skip"
        href="#main"
        onClick={event => {
          event.preventDefault()
          document.getElementById('main')?.focus()
        }}
      >
        Skip to the content
      </a>
      <header class="side">
        <a class="brand" href={link('runs')}>
          <Icon name="brand" />
          Layermill
        </a>
        <Navigation />
        {may('submit') ? (
          <a class="button primary" href={link('new')}>
            <Icon name="plus" />
            New run
          </a>
        ) : null}
        <Account />
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
    </div>
  )
}
