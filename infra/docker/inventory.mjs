/**
 * Lists in an image's build stage what the image brings: `node inventory.mjs FOLDER OUT`, with FOLDER the installed workspace. OUT gets
 * `sbom.cdx.json` (CycloneDX 1.6) and `licenses.txt` with the licence of each package. Debian's packages are in dpkg's own list, and their
 * licences below /usr/share/doc. `npm sbom` refuses a tree whose development packages were never installed.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const [folder = '.', out = '.'] = process.argv.slice(2)

/** Manifests of all packages below a folder of node_modules, those inside packages included. @param {string} modules @returns {string[]} */
function manifestsBelow(modules) {
  if (!existsSync(modules)) return []
  const names = readdirSync(modules, { withFileTypes: true }).filter(entry => entry.isDirectory() && !entry.name.startsWith('.'))
  return names.flatMap(({ name }) => {
    const inside = path.join(modules, name)
    if (name.startsWith('@')) return manifestsBelow(inside)
    return [path.join(inside, 'package.json'), ...manifestsBelow(path.join(inside, 'node_modules'))].filter(existsSync)
  })
}

const workspaces = ['apps', 'libs'].flatMap(parent => {
  const folders = readdirSync(path.join(folder, parent)).map(name => path.join(folder, parent, name))
  return folders.flatMap(one => [path.join(one, 'package.json'), ...manifestsBelow(path.join(one, 'node_modules'))]).filter(existsSync)
})

/** Text of the licence that a package ships. @param {string} manifest */
function licenceText(manifest) {
  const own = path.dirname(manifest)
  const file = readdirSync(own).find(name => /^(licen[cs]e|copying|notice)/i.test(name) && !/\.[cm]?[jt]s$/.test(name))
  return file === undefined ? '' : readFileSync(path.join(own, file), 'utf8').trim()
}

/** @type {Map<string, { name: string, version: string, licence: string, text: string }>} */
const packages = new Map()
for (const manifest of [...workspaces, ...manifestsBelow(path.join(folder, 'node_modules'))]) {
  const { name, version, license, licenses } = JSON.parse(readFileSync(manifest, 'utf8'))
  if (name === undefined || version === undefined) continue
  const licence = typeof license === 'string' ? license : (license?.type ?? licenses?.[0]?.type ?? '')
  packages.set(`${name}@${version}`, { name, version, licence, text: licenceText(manifest) })
}
const sorted = [...packages.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.version < b.version ? -1 : 1))

/** Purl of an npm package: the scope's at sign is written out. @param {string} name @param {string} version */
const purl = (name, version) => `pkg:npm/${name.replace('@', '%40')}@${version}`

const own = JSON.parse(readFileSync(path.join(folder, 'apps/cli/package.json'), 'utf8'))
const node = { type: 'platform', name: 'node', version: process.versions.node, purl: `pkg:generic/node@${process.versions.node}` }
const licensesOf = licence => (licence === '' ? {} : { licenses: [/ |\(/.test(licence) ? { expression: licence } : { license: { name: licence } }] })
const sbom = {
  $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
  bomFormat: 'CycloneDX',
  specVersion: '1.6',
  version: 1,
  metadata: { component: { type: 'application', name: own.name, version: own.version, purl: purl(own.name, own.version) } },
  components: [
    node,
    ...sorted
      .filter(({ name }) => name !== own.name)
      .map(({ name, version, licence }) => ({ type: 'library', name, version, purl: purl(name, version), ...licensesOf(licence) })),
  ],
}
mkdirSync(out, { recursive: true })
writeFileSync(path.join(out, 'sbom.cdx.json'), `${JSON.stringify(sbom, null, 1)}\n`)

const rule = '='.repeat(80)
const nodeLicence = ['/usr/local/LICENSE', '/usr/local/share/doc/node/LICENSE'].find(existsSync)
const chapters = [
  { title: `node ${process.versions.node}`, text: nodeLicence === undefined ? 'MIT; https://github.com/nodejs/node' : readFileSync(nodeLicence, 'utf8').trim() },
  ...sorted.map(({ name, version, licence, text }) => ({ title: `${name} ${version} (${licence || 'no licence named'})`, text })),
]
writeFileSync(path.join(out, 'licenses.txt'), chapters.map(({ title, text }) => `${rule}\n${title}\n${rule}\n${text}\n`).join('\n'))
console.log(`${sbom.components.length} components; licences of ${chapters.length}`)
