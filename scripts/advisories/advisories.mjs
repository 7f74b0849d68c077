/**
 * `npm run advisories [-- FILE|FOLDER ...]`: which locked packages published advisories speak of, without a registry that answers audits.
 *
 * Reads advisories in the OSV format (https://ossf.github.io/osv-schema): one file each, lists, or a folder of them, as the databases export
 * them for npm. Without arguments it reads known.json beside it, which holds what was known at the release. Ends with 1 where a locked version
 * is affected.
 */
import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import semver from 'semver'

/** @typedef {{ introduced?: string, fixed?: string, last_affected?: string }} RangeEvent */
/** @typedef {{ package: { ecosystem: string, name: string }, ranges?: { type: string, events: RangeEvent[] }[], versions?: string[] }} Affected */
/** @typedef {{ id: string, aliases?: string[], summary?: string, withdrawn?: string, affected?: Affected[] }} Advisory */
/** @typedef {{ name: string, version: string, development: boolean }} LockedPackage */

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..')

/** The packages of a lock file, each name and version once. @param {string} text @returns {LockedPackage[]} */
export function lockedPackages(text) {
  const found = new Map()
  for (const [place, { version, dev, link }] of Object.entries(JSON.parse(text).packages)) {
    const name = /node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(place)?.[1]
    if (name === undefined || version === undefined || link === true) continue
    const key = `${name}@${version}`
    found.set(key, { name, version, development: dev === true && (found.get(key)?.development ?? true) })
  }
  return [...found.values()]
}

/** Whether a version lies in a range's events. @param {string} version @param {RangeEvent[]} events */
function isInRange(version, events) {
  let affected = false
  for (const event of events) {
    const from = event.introduced
    if (from !== undefined && (from === '0' || semver.gte(version, from))) affected = true
    if (event.fixed !== undefined && semver.gte(version, event.fixed)) affected = false
    if (event.last_affected !== undefined && semver.gt(version, event.last_affected)) affected = false
  }
  return affected
}

/** @param {LockedPackage} locked @param {Affected} affected */
function isAffected({ name, version }, affected) {
  if (affected.package.ecosystem !== 'npm' || affected.package.name !== name) return false
  const ranges = (affected.ranges ?? []).filter(({ type }) => type === 'SEMVER' || type === 'ECOSYSTEM')
  return ranges.some(({ events }) => isInRange(version, events)) || (affected.versions ?? []).includes(version)
}

/** Advisories that speak of a locked version. @param {LockedPackage[]} packages @param {Advisory[]} advisories */
export function findAffected(packages, advisories) {
  return advisories
    .filter(({ withdrawn }) => withdrawn === undefined)
    .flatMap(advisory =>
      packages
        .filter(locked => (advisory.affected ?? []).some(affected => isAffected(locked, affected)))
        .map(locked => ({ advisory, locked })),
    )
}

/** @param {string} place of a file or folder @returns {Promise<Advisory[]>} */
export async function readAdvisories(place) {
  if ((await stat(place)).isDirectory()) {
    const names = (await readdir(place)).filter(name => name.endsWith('.json')).toSorted()
    return (await Promise.all(names.map(name => readAdvisories(path.join(place, name))))).flat()
  }
  const value = JSON.parse(await readFile(place, 'utf8'))
  const list = Array.isArray(value) ? value : (value.advisories ?? [value])
  if (!list.every(item => typeof item?.id === 'string')) throw new Error(`${place}: expected advisories in the OSV format`)
  return list
}

/** @param {readonly string[]} places */
async function main(places) {
  const packages = lockedPackages(await readFile(path.join(root, 'package-lock.json'), 'utf8'))
  const read = places.length > 0 ? places : [path.join(root, 'scripts/advisories/known.json')]
  const advisories = (await Promise.all(read.map(readAdvisories))).flat()
  const found = findAffected(packages, advisories)
  for (const { advisory, locked } of found) {
    console.log(
      `${locked.name}@${locked.version}${locked.development ? ' (development)' : ''}: ${advisory.id} ${(advisory.aliases ?? []).join(' ')} ${advisory.summary ?? ''}`,
    )
  }
  console.log(`${packages.length} packages, ${advisories.length} advisories, ${found.length} affected`)
  return found.length === 0 ? 0 : 1
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.exitCode = await main(process.argv.slice(2)).catch(error => {
    console.error(`error: ${error.message}`)
    return 2
  })
}
