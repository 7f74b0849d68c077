/** Lays out what is published: one package `layermill`, which brings the workspace's packages and ONNX Runtime's JavaScript inside itself. */
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { SetupError, root, run } from '../setup/terminal.mjs'
import { bundlePackage } from './bundle.mjs'

/** Platforms that ONNX Runtime's package has libraries for, in npm's words. */
const platforms = ['darwin-arm64', 'linux-arm64', 'linux-x64', 'win32-arm64', 'win32-x64']

/** Asked when it is needed: the bootstrap loads this module before anything is installed. */
const runtimeFolder = () => path.dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'))

/** @param {string} file @returns {Promise<any>} */
const readJson = async file => JSON.parse(await readFile(file, 'utf8'))

/** @param {string} file @param {unknown} value */
const writeJson = (file, value) => writeFile(file, `${JSON.stringify(value, null, 2)}\n`)

/** Compiled files that users need: no tests and nothing that only they use, no maps, no build records. @param {string} source */
const isPublished = source => !/\.test\.(d\.)?[cm]?[jt]s$|\/testing(\/|$)|\.map$|\.tsbuildinfo$/.test(source)

/** Entries of a package that lead to files which are published. @param {Record<string, any>} exports */
const publishedExports = exports => Object.fromEntries(Object.entries(exports).filter(([, entry]) => isPublished(entry.default)))

/** @param {string} from @param {string} to */
async function copyPublished(from, to) {
  await cp(from, to, { recursive: true, filter: isPublished })
}

/** Packages of the workspace that the command consists of, with their manifests. */
async function workspacePackages() {
  const found = []
  for (const parent of ['libs', 'apps']) {
    for (const name of (await readdir(path.join(root, parent))).sort()) {
      const folder = path.join(root, parent, name)
      const manifest = await readJson(path.join(folder, 'package.json')).catch(() => undefined)
      if (manifest !== undefined) found.push({ folder, manifest })
    }
  }
  return found
}

/**
 * Dependencies of all packages in one list, those of the workspace left out. Versions are exact, so two that differ are an error.
 * @param {readonly { manifest: any }[]} packages @param {'dependencies' | 'peerDependencies'} kind
 * @returns {Record<string, string>}
 */
function merged(packages, kind) {
  /** @type {Record<string, string>} */
  const all = {}
  for (const { manifest } of packages) {
    for (const [name, version] of Object.entries(manifest[kind] ?? {})) {
      if (name.startsWith('@layermill/') || name === 'layermill') continue
      if (all[name] !== undefined && all[name] !== version)
        throw new SetupError(`${name}: ${manifest.name} wants ${version}, another package ${all[name]}`)
      all[name] = String(version)
    }
  }
  return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/**
 * Places where the native library is looked for, in this order: in the `onnxruntime-node` that a user has installed beside this package (with
 * NVIDIA's provider, which its install script downloads), in the package of this platform, in this package.
 */
const bindingSearch = `
const fs = require("fs");
const path = require("path");
function findBinding() {
    const inside = path.join("bin", "napi-v6", process.platform, process.arch, "onnxruntime_binding.node");
    const beside = path.resolve(__dirname, "../../../../onnxruntime-node");
    const wanted = require("../package.json").version;
    if (fs.existsSync(path.join(beside, inside)) && require(path.join(beside, "package.json")).version === wanted)
        return path.join(beside, inside);
    try {
        return require.resolve("@layermill/onnxruntime-" + process.platform + "-" + process.arch + "/onnxruntime_binding.node");
    }
    catch {
        return path.join(__dirname, "..", inside);
    }
}
`

/**
 * ONNX Runtime's package without its libraries for other systems, and without its install script, which fails where its download cannot be
 * had. Its licence allows that (MIT); the files stay as they are but for the place of the library.
 * @param {string} to @param {boolean} withLibrary whether this machine's library comes along
 */
async function stageRuntime(to, withLibrary) {
  const manifest = await readJson(path.join(runtimeFolder(), 'package.json'))
  await mkdir(to, { recursive: true })
  await copyPublished(path.join(runtimeFolder(), 'dist'), path.join(to, 'dist'))
  const binding = path.join(to, 'dist/binding.js')
  const code = await readFile(binding, 'utf8')
  const loading = /require\(`\.\.\/bin\/napi-v6\/[^`]+`\)/
  if (!loading.test(code)) throw new SetupError(`${binding} loads its library in another way than the release script knows`)
  await writeFile(binding, code.replace(loading, 'require(findBinding())').replace('"use strict";', `"use strict";${bindingSearch}`))
  if (withLibrary) {
    const inside = path.join('bin/napi-v6', process.platform, process.arch)
    await cp(path.join(runtimeFolder(), inside), path.join(to, inside), { recursive: true })
  }
  const { version, license, repository, author, main, types, description } = manifest
  await writeJson(path.join(to, 'package.json'), {
    name: 'onnxruntime-node',
    version,
    description,
    license,
    repository,
    author,
    main,
    types,
  })
  return { version, dependencies: { 'onnxruntime-common': manifest.dependencies['onnxruntime-common'] } }
}

/** The library of one platform as a package of its own, which npm installs on that platform only. @param {string} to @param {string} platform */
async function stagePlatform(to, platform, version) {
  const [os, cpu] = platform.split('-')
  await mkdir(to, { recursive: true })
  await cp(path.join(runtimeFolder(), 'bin/napi-v6', os, cpu), to, { recursive: true })
  const { license, repository } = await readJson(path.join(runtimeFolder(), 'package.json'))
  const description = `ONNX Runtime's native library for ${platform}, as onnxruntime-node ships it`
  await writeJson(path.join(to, 'package.json'), {
    name: `@layermill/onnxruntime-${platform}`,
    version,
    description,
    license,
    repository,
    os: [os],
    cpu: [cpu],
    preferUnplugged: true,
  })
}

/**
 * Dependencies of what is inside the package are the package's own: npm takes those of a bundled package for bundled as well, and where it
 * installs globally it leaves an empty folder in the place of each that is not.
 * @param {string} target @param {readonly string[]} names of the packages inside
 */
async function checkBundled(target, names) {
  for (const name of names) {
    const { dependencies = {} } = await readJson(path.join(target, 'node_modules', name, 'package.json'))
    const asked = Object.keys(dependencies)
    if (asked.length > 0) throw new SetupError(`${name} is bundled and asks for ${asked.join(', ')}: a global installation would miss it`)
  }
}

/** The address of the repository that a release is made from, where it has one that others can reach. */
async function repositoryOf() {
  const { code, stdout } = await run('git', ['remote', 'get-url', 'origin']).catch(() => ({ code: 1, stdout: '' }))
  return code === 0 && /^(https|ssh|git):\/\/[^/]+\.|^git@/.test(stdout) ? { type: 'git', url: stdout.trim() } : undefined
}

/**
 * Lays out the package, and with `forRegistry` those of the platforms.
 *
 * @param {string} to a folder, made anew
 * @param {{ forRegistry: boolean, withPlatforms?: boolean }} options `forRegistry`: the library comes from a platform's package, else this machine's is
 *   inside; `withPlatforms`: lay out the packages of the platforms too
 * @returns {Promise<string[]>} folders to pack, `layermill` first
 */
export async function stage(to, { forRegistry, withPlatforms = forRegistry }) {
  await rm(to, { recursive: true, force: true })
  const packages = await workspacePackages()
  const command = packages.find(({ manifest }) => manifest.name === 'layermill')
  if (command === undefined) throw new SetupError('apps/cli is missing')
  const target = path.join(to, 'layermill')
  await mkdir(target, { recursive: true })
  for (const { folder, manifest } of packages) {
    const inside = manifest === command.manifest ? target : path.join(target, 'node_modules', manifest.name)
    await mkdir(inside, { recursive: true })
    for (const name of manifest.files ?? ['dist']) await copyPublished(path.join(folder, name), path.join(inside, name))
    if (manifest === command.manifest) continue
    // Dependencies are the outer package's, so that npm asks the registry for none of these.
    const { name, version, description, license, type, exports } = manifest
    const entries = publishedExports(exports)
    await writeJson(path.join(inside, 'package.json'), { name, version, description, license, type, exports: entries })
  }
  const runtime = await stageRuntime(path.join(target, 'node_modules/onnxruntime-node'), !forRegistry)
  await cp(path.join(command.folder, 'bin'), path.join(target, 'bin'), { recursive: true })
  for (const name of ['LICENSE', 'README.md', 'CHANGELOG.md']) await cp(path.join(root, name), path.join(target, name))

  const workspace = await readJson(path.join(root, 'package.json'))
  const { 'onnxruntime-node': _bundled, ...dependencies } = merged(packages, 'dependencies')
  const peers = merged(packages, 'peerDependencies')
  const bundled = {
    ...Object.fromEntries(packages.filter(p => p !== command).map(({ manifest }) => [manifest.name, manifest.version])),
    'onnxruntime-node': runtime.version,
  }
  const { name, version, description, license, type, bin, exports, keywords } = command.manifest
  await writeJson(path.join(target, 'package.json'), {
    name,
    version,
    description,
    keywords,
    license,
    repository: await repositoryOf(),
    type,
    bin,
    exports,
    main: exports['.'].default,
    types: exports['.'].types,
    engines: workspace.engines,
    files: ['bin', 'dist', 'CHANGELOG.md'],
    dependencies: {
      ...dependencies,
      ...runtime.dependencies,
      // Overrides count in the workspace only. Named here, these versions are the ones that npm places for everybody in the tree.
      ...workspace.overrides,
      // Declarations name Node.js's types.
      '@types/node': workspace.devDependencies['@types/node'],
      ...bundled,
    },
    ...(forRegistry && { optionalDependencies: Object.fromEntries(platforms.map(p => [`@layermill/onnxruntime-${p}`, runtime.version])) }),
    peerDependencies: peers,
    peerDependenciesMeta: Object.fromEntries(Object.keys(peers).map(peer => [peer, { optional: true }])),
    bundleDependencies: Object.keys(bundled),
  })
  await checkBundled(target, Object.keys(bundled))
  await bundlePackage(target)
  const folders = [target]
  if (!withPlatforms) return folders
  for (const platform of platforms) {
    const folder = path.join(to, `onnxruntime-${platform}`)
    await stagePlatform(folder, platform, runtime.version)
    folders.push(folder)
  }
  return folders
}
