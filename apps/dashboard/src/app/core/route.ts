import { computed, signal } from '@preact/signals'

const read = (): string[] =>
  location.hash
    .replace(/^#\/?/, '')
    .split('/')
    .filter(part => part !== '')
    .map(decodeURIComponent)

const parts = signal(read())
addEventListener('hashchange', () => {
  parts.value = read()
})

/** Current page of the dashboard: `#/runs/ID/features` is ['runs', 'ID', 'features']. */
export const route = computed(() => (parts.value.length === 0 ? ['runs'] : parts.value))

export const link = (...path: string[]): string => `#/${path.map(encodeURIComponent).join('/')}`

export function go(...path: string[]): void {
  location.hash = link(...path)
}
