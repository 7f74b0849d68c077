/**
 * Puts the compiled modules of a staged package into few files: opening hundreds of small ones takes a command longer than running them. What
 * a dynamic import loads stays apart, so that a command still loads only what it needs.
 */
import { existsSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import path from 'node:path'

/** Packages of ES modules from the registry that are bundled as well: of their many modules little is used. They stay dependencies, for their types. */
const inside = new Set([
  'zod',
  'eventsource-parser',
  'hyparquet',
  'hyparquet-writer',
  'hyparquet-compressors',
  'hysnappy',
  'fzstd',
  'csv-parse',
  'bullmq',
])

/** Compiled modules below a folder, those that have declarations beside them. @param {string} folder @returns {Promise<string[]>} */
async function modulesBelow(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => entry.isFile() && entry.name.endsWith('.js'))
    .map(entry => path.join(entry.parentPath, entry.name))
    .filter(file => existsSync(file.replace(/\.js$/, '.d.ts')))
}

/** Address of a file for an import in a folder. @param {string} folder @param {string} file */
function specifier(folder, file) {
  const relative = path.relative(folder, file).split(path.sep).join('/')
  return relative.startsWith('.') ? relative : `./${relative}`
}

/** The package that an import names. @param {string} specifier */
const packageOf = specifier => /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? ''

/** Leaves what comes from the registry, and Node.js's own, outside. */
const registryOutside = {
  name: 'registry-outside',
  /** @param {import('esbuild').PluginBuild} build */
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, ({ path: name, kind }) => {
      if (kind === 'entry-point') return undefined
      const from = packageOf(name)
      const isInside = (from.startsWith('@layermill/') || inside.has(from)) && !builtinModules.includes(name)
      return isInside ? undefined : { path: name, external: true }
    })
  },
}

/**
 * Files beside a module, as threads, data and the page, stay where they are: its place is told from the bundle's folder.
 * @param {string} bundle the bundle's folder
 */
const placesKept = bundle => ({
  name: 'places-kept',
  /** @param {import('esbuild').PluginBuild} build */
  setup(build) {
    build.onLoad({ filter: /\.js$/ }, async ({ path: file }) => {
      const text = await readFile(file, 'utf8')
      if (!text.includes('import.meta.url')) return undefined
      const place = JSON.stringify(specifier(bundle, file))
      return { contents: text.replaceAll('import.meta.url', `new URL(${place}, import.meta.url).href`), loader: 'js' }
    })
  },
})

/**
 * Modules that a module starts threads or processes with: those beside it, and entries of packages.
 * @param {string} text of the module
 * @returns {{ places: string[], entries: string[] }}
 */
export function startedBy(text) {
  const found = pattern => [...text.matchAll(pattern)].map(([, name = '']) => name)
  return {
    places: found(/new URL\('(\.[^']+\.js)', import\.meta\.url\)/g),
    entries: found(/\.resolve\('(@layermill\/[^']+)'\)/g),
  }
}

/** @param {readonly string[]} modules @param {(entry: string) => string} resolve gives the file of a package's entry */
async function startedModules(modules, resolve) {
  const all = new Set()
  for (const file of modules) {
    const { places, entries } = startedBy(await readFile(file, 'utf8'))
    const beside = places.map(place => path.resolve(path.dirname(file), place))
    for (const one of [...beside, ...entries.map(resolve)]) if (existsSync(one)) all.add(one)
  }
  return [...all]
}

/**
 * Bundles a staged package in place. At the place of each module that is started or imported from outside one line is left, which leads into the
 * bundle; of the others their declarations.
 * @param {string} target folder of the package: its own modules in dist, the workspace's in node_modules/@layermill
 */
export async function bundlePackage(target) {
  const { build } = await import('esbuild')
  const bundle = path.join(target, 'dist/bundle')
  const workspace = path.join(target, 'node_modules/@layermill')
  const packages = (await readdir(workspace)).map(name => path.join(workspace, name))
  const modules = (await Promise.all([target, ...packages].map(folder => modulesBelow(path.join(folder, 'dist'))))).flat()
  /** @type {Map<string, Record<string, { default: string }>>} */
  const exportsOf = new Map()
  for (const folder of packages) {
    const { name, exports } = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'))
    exportsOf.set(name, exports)
  }
  const started = await startedModules(modules, entry => {
    const name = packageOf(entry)
    return path.join(target, 'node_modules', name, exportsOf.get(name)?.[`.${entry.slice(name.length)}`]?.default ?? '')
  })
  const own = ['main.js', 'index.js', 'demo/sample-images.js'].map(name => path.join(target, 'dist', name))
  const entries = [...own, ...started]
  const names = entries.map(file =>
    path
      .relative(target, file)
      .replaceAll(/[^\w]+/g, '-')
      .replace(/-js$/, ''),
  )
  await build({
    entryPoints: entries.map((file, i) => ({ in: file, out: names[i] })),
    outdir: bundle,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    // ES modules where a package has both: a `require` of BullMQ's that is left is for drivers of which it is given a connection here.
    mainFields: ['module', 'main'],
    target: 'node20.19',
    logLevel: 'warning',
    plugins: [registryOutside, placesKept(bundle)],
  })
  for (const file of modules) await rm(file)
  for (const [i, file] of entries.entries()) {
    const address = specifier(path.dirname(file), path.join(bundle, `${names[i]}.js`))
    await writeFile(file, `export * from '${address}'\n`)
  }
}
