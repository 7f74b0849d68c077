/**
 * Bundles the dashboard into dist/site/: index.html and assets/ with their content's hash in their names, each also compressed. Takes a second.
 * The packages that it imports must have been compiled before.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { build } from 'esbuild'
import { scheduleJsonSchema, specJsonSchema } from '@layermill/contracts'
import { getNetwork, networkIds } from '@layermill/models'

const folder = fileURLToPath(new URL('..', import.meta.url))
const site = path.join(folder, 'dist/site')
const draft = path.join(folder, 'dist/.site')

/** Catalog for the forms of runs and schedules: the fields of each kind of spec and of a schedule, and the layers of each network. */
function catalog() {
  const specs = Object.fromEntries(['extract', 'predict', 'finetune'].map(kind => [kind, specJsonSchema(kind)]))
  const networks = networkIds.map(id => {
    const { layers, defaultLayer } = getNetwork(id)
    return { id, layers: [...layers.keys()], defaultLayer }
  })
  return JSON.stringify({ specs, schedule: scheduleJsonSchema(), networks })
}

/** @param {string} name @param {string | Uint8Array} content */
async function asset(name, content) {
  const bytes = Buffer.from(content)
  const { name: stem, ext } = path.parse(name)
  const hashed = `${stem}-${createHash('sha256').update(bytes).digest('hex').slice(0, 10)}${ext}`
  const file = path.join(draft, 'assets', hashed)
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }
  await writeFile(file, bytes)
  await writeFile(`${file}.br`, await promisify(brotliCompress)(bytes, quality))
  await writeFile(`${file}.gz`, await promisify(gzip)(bytes))
  // Relative to the page, which a proxy may serve below any path.
  return `assets/${hashed}`
}

/** @param {string} entry @param {Record<string, string>} [define] */
async function bundle(entry, define = {}) {
  const { outputFiles } = await build({
    entryPoints: [path.join(folder, 'src/app', entry)],
    bundle: true,
    minify: true,
    write: false,
    target: 'es2022',
    legalComments: 'none',
    format: entry.endsWith('.css') ? undefined : 'iife',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    define,
    outdir: draft,
    logLevel: 'warning',
  })
  return outputFiles[0].contents
}

await rm(draft, { recursive: true, force: true })
await mkdir(path.join(draft, 'assets'), { recursive: true })
const define = {
  catalogUrl: JSON.stringify(await asset('catalog.json', catalog())),
}
const files = {
  ICON: await asset('icon.svg', await readFile(path.join(folder, 'src/icon.svg'))),
  STYLE: await asset('style.css', await bundle('styles/main.css')),
  THEME: await asset('theme.js', await bundle('theme-boot.ts')),
  SCRIPT: await asset('app.js', await bundle('main.tsx', define)),
}
const page = await readFile(path.join(folder, 'src/index.html'), 'utf8')
await writeFile(
  path.join(draft, 'index.html'),
  page.replace(/\{\{(\w+)\}\}/g, (_, name) => files[name]),
)
await rm(site, { recursive: true, force: true })
await rename(draft, site)
