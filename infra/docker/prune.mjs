/** Leaves in an image's build stage only what runs: `node prune.mjs FOLDER`. No sources, tests, maps, or libraries for other machines. */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import path from 'node:path'

/** Names by Docker of the architectures, and by Node.js. */
const architectures = { amd64: 'x64', arm64: 'arm64' }

const [folder = '.'] = process.argv.slice(2)
const target = process.env['TARGETARCH'] || undefined
const arch = target === undefined ? process.arch : architectures[target]
if (arch === undefined) throw new Error(`TARGETARCH=${target}: expected ${Object.keys(architectures).join(' or ')}`)

/** @param {string} relative */
const remove = relative => rmSync(path.join(folder, relative), { recursive: true, force: true })

const runtime = 'node_modules/onnxruntime-node/bin/napi-v6'
for (const system of readdirSync(path.join(folder, runtime))) {
  for (const cpu of readdirSync(path.join(folder, runtime, system))) {
    if (system !== 'linux' || cpu !== arch) remove(path.join(runtime, system, cpu))
  }
}
if (!existsSync(path.join(folder, runtime, 'linux', arch, 'onnxruntime_binding.node'))) throw new Error(`no ONNX Runtime for linux ${arch}`)

/** Files of packages that only compilers, tests and debuggers read. */
const isSpare = name => /\.test\.[cm]?js$|\.map$|\.tsbuildinfo$|\.[cm]?ts$|\.(md|markdown)$/i.test(name) && !/^(licen[cs]e|copying|notice)/i.test(name)

/** Folders of the workspace's own packages that nothing at run time reads. */
const spareFolders = ['src', 'testing']

for (const parent of ['apps', 'libs', 'node_modules']) {
  for (const entry of readdirSync(path.join(folder, parent), { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name)
    const isOwn = parent !== 'node_modules' && !file.includes('node_modules')
    const spare = entry.isDirectory() ? isOwn && spareFolders.includes(entry.name) : entry.isFile() && isSpare(entry.name)
    if (spare) rmSync(file, { recursive: true, force: true })
  }
}
// Builds for bundlers, for pages and for `require`, where modules are imported.
for (const build of ['h5wasm/dist/esm', 'h5wasm/dist/iife', 'bullmq/dist/esm']) remove(`node_modules/${build}`)
// Extensions of PostgreSQL and data of benchmarks that nothing loads.
remove('node_modules/@electric-sql/pglite/dist/pgcrypto.tar.gz')
remove('node_modules/bintrees/test')
remove('test')
