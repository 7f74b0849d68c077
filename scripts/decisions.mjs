// Writes docs/decisions/README.md from the headers of the decision pages: node scripts/decisions.mjs
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Parts of the project that a decision may belong to. */
const areas = [
  'workspace',
  'tests',
  'command line',
  'weights',
  'preparation',
  'storage',
  'sources',
  'results',
  'cache',
  'queue',
  'specs',
  'engines',
  'inference',
  'training',
  'training speed',
  'runs',
  'fleet',
  'schedules',
  'notifications',
  'registry',
  'http',
  'dashboard',
  'operations',
  'safety',
]
const titleForm = '# (?<number>\\d{4}): (?<title>.+)'
const headerForm =
  [
    'Area: (?<area>[a-z ]+)',
    'Status: (?<status>in force|superseded by \\d{4})',
    'Date: (?<date>\\d{4}-\\d{2}-\\d{2})',
    'Files: (?<files>`.+`)',
  ].join('\\. ') + '\\.'
const form = new RegExp(`^${titleForm}\n\n${headerForm}\n\n`)

/** @param {string} name of the file @param {string} text */
export function parseDecision(name, text) {
  const fields = form.exec(text)?.groups
  if (fields === undefined) {
    const wanted = '"# NNNN: Title", an empty line and "Area: ... Status: in force. Date: YYYY-MM-DD. Files: `...`."'
    throw new Error(`${name} does not begin with ${wanted}`)
  }
  const { number, title, area, status, date } = fields
  if (!name.startsWith(`${number}-`)) throw new Error(`${name} has the number ${number} in its title`)
  if (!areas.includes(area)) throw new Error(`${name} has the area "${area}"; areas are ${areas.join(', ')}`)
  return { name, number, title, area, status, date, files: fields.files.slice(1, -1).split('`, `') }
}

/** @param {string} root the workspace's root folder */
export function readDecisions(root) {
  const folder = join(root, 'docs/decisions')
  return readdirSync(folder)
    .filter(name => name.endsWith('.md') && name !== 'README.md')
    .sort()
    .map(name => parseDecision(name, readFileSync(join(folder, name), 'utf8')))
}

/** @param {ReturnType<typeof readDecisions>} decisions */
export function decisionIndex(decisions) {
  const rows = decisions.map(({ name, number, title, area, status, date, files }) => {
    const cells = [`[${number}](${name})`, title.replaceAll('|', '\\|'), area, status, date, files.map(file => `\`${file}\``).join(' ')]
    return `| ${cells.join(' | ')} |`
  })
  return [
    '# Decisions',
    '',
    'Written by `node scripts/decisions.mjs` from the pages; a test compares. A page begins with its number and title, then a line with',
    'area, status (in force, or superseded by another page), date, and the files or folders that it governs. Question, Options, Choice and',
    'Consequence follow, in a page or less, with numbers where something was measured. A page is not rewritten when a choice changes: a',
    'new page says why, and the old one becomes superseded.',
    '',
    `Areas: ${areas.join(', ')}.`,
    '',
    '| Number | Title | Area | Status | Date | Files |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

/** Files and folders that pages govern and that are not there, as `PAGE: FILE`. */
export function missingFiles(root, decisions) {
  return decisions.flatMap(({ name, files }) => files.filter(file => !existsSync(join(root, file))).map(file => `${name}: ${file}`))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const decisions = readDecisions(root)
  const missing = missingFiles(root, decisions)
  if (missing.length > 0) {
    console.error(`Not there:\n${missing.join('\n')}`)
    process.exitCode = 1
  }
  writeFileSync(join(root, 'docs/decisions/README.md'), decisionIndex(decisions))
}
