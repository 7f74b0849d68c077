// Runs the scripts of findings/: node scripts/findings.mjs [NAME...]
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('../findings', import.meta.url))
const all = readdirSync(folder)
  .filter(name => name.endsWith('.sh'))
  .sort()
const asked = process.argv.slice(2).map(name => (name.endsWith('.sh') ? name : `${name}.sh`))
const unknown = asked.filter(name => !all.includes(name))
if (unknown.length > 0) {
  console.error(`No finding ${unknown.join(', ')}; there are ${all.join(', ')}`)
  process.exit(2)
}
for (const name of asked.length > 0 ? asked : all) {
  const { status, signal, stdout, stderr, error } = spawnSync('bash', [name], { cwd: folder, encoding: 'utf8', timeout: 600_000 })
  if (status === 0) {
    console.log(`pass     ${name}`)
    continue
  }
  console.log(`changed  ${name} (${error?.message ?? signal ?? `exit code ${status}`})\n${stdout ?? ''}${stderr ?? ''}`)
  process.exitCode = 1
}
