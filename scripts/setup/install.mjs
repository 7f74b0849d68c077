import { existsSync } from 'node:fs'
import { readFile, realpath, rm } from 'node:fs/promises'
import path from 'node:path'
import { root, runStep } from './terminal.mjs'

/**
 * Whether node_modules holds what package-lock.json asks for. npm keeps the record of what it installed in
 * node_modules/.package-lock.json and writes it last, so an installation that was cut short counts as none. The record alone is not
 * believed: a package must be there, and a workspace's link must lead to its folder.
 *
 * @param {string} folder the workspace's root
 */
export async function isInstalled(folder = root) {
  const record = path.join(folder, 'node_modules/.package-lock.json')
  if (!existsSync(record)) return false
  const wanted = JSON.parse(await readFile(path.join(folder, 'package-lock.json'), 'utf8')).packages
  const installed = JSON.parse(await readFile(record, 'utf8')).packages
  const present = await Promise.all(
    Object.entries(wanted).map(async ([location, { version, link, resolved, optional }]) => {
      if (!location.includes('node_modules/')) return true
      const found = installed[location]
      // Optional packages of other platforms are rightly absent.
      if (found === undefined) return optional === true
      if (link !== true) return found.version === version && existsSync(path.join(folder, location, 'package.json'))
      if (found.link !== true) return false
      const targets = await Promise.all([location, resolved].map(place => realpath(path.join(folder, place)).catch(() => undefined)))
      return targets[0] !== undefined && targets[0] === targets[1]
    }),
  )
  return !present.includes(false)
}

/**
 * Installs the locked node modules where they are missing or differ from package-lock.json.
 *
 * Not by `npm ci`: the lock file was written where the registry has native packages of some platforms only, `npm ci` refuses a lock
 * file without the others, and `npm install` adds the one this machine needs, at the exact version that its parent asks for.
 */
export async function installNodeModules() {
  if (await isInstalled()) return
  // npm would believe its record as well, and leave out what the record has and the folder lacks.
  await rm(path.join(root, 'node_modules/.package-lock.json'), { force: true })
  const parameters = ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']
  // The npm that runs this script, where there is one: another npm on the PATH may be too old for the lock file.
  const npm = process.env.npm_execpath
  const command = npm !== undefined && /\.c?js$/.test(npm) ? [process.execPath, [npm, ...parameters]] : ['npm', parameters]
  await runStep('Installing node modules', command[0], command[1])
}

/** Compiles what changed, in all packages. This is also the type check, tests included. */
export async function build() {
  await runStep('Building', path.join(root, 'node_modules/.bin/tsc'), ['--build'])
  await runStep('Bundling the dashboard', process.execPath, [path.join(root, 'apps/dashboard/scripts/build.mjs')])
  await runStep('Preparing the embedded queue', process.execPath, [path.join(root, 'libs/queue/scripts/prepare-embedded.mjs')])
}
