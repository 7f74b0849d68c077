import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/**
 * Folder of the built dashboard: `index.html` and `assets/`. Undefined where it was not bundled (`node apps/dashboard/scripts/build.mjs`).
 */
export function dashboardFolder(): string | undefined {
  const folder = fileURLToPath(new URL('./site', import.meta.url))
  return existsSync(`${folder}/index.html`) ? folder : undefined
}
