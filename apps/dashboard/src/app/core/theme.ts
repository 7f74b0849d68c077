import { signal } from '@preact/signals'

const key = 'layermill.theme'
const system = matchMedia('(prefers-color-scheme: dark)')

const now = (): 'light' | 'dark' => {
  const chosen = document.documentElement.dataset['theme']
  return chosen === 'light' || chosen === 'dark' ? chosen : system.matches ? 'dark' : 'light'
}

/** Theme shown: the system's choice until a person chooses otherwise. */
export const theme = signal(now())
system.addEventListener('change', () => {
  theme.value = now()
})

export function toggleTheme(): void {
  const next = theme.value === 'dark' ? 'light' : 'dark'
  document.documentElement.dataset['theme'] = next
  localStorage.setItem(key, next)
  theme.value = next
}
