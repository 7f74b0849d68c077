/** Base images of the Dockerfiles, and the digests that pin what is behind their tags (infra/docker/bases.json). */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** @typedef {import('./builders.mjs').Builder} Builder */

/** @param {string} root */
const fileOf = root => path.join(root, 'infra/docker/bases.json')

/** Digest of each base, null where nobody has recorded it. @param {string} root @returns {Record<string, string | null>} */
const readBases = root => JSON.parse(readFileSync(fileOf(root), 'utf8'))

/** Build arguments of an image that name a base, with the tag that each has. @param {string} root @param {string} name */
export function baseArguments(root, name) {
  const text = readFileSync(path.join(root, `infra/docker/${name}.Dockerfile`), 'utf8')
  return [...text.matchAll(/^ARG (\w+_IMAGE)=(\S+)$/gm)].map(([, argument = '', image = '']) => ({ argument, image }))
}

/**
 * Flags that give an image its bases by digest, and the tags of which none is recorded.
 * @param {string} root @param {string} name
 */
export function pins(root, name) {
  const bases = readBases(root)
  const all = baseArguments(root, name)
  const pinned = all.filter(({ image }) => typeof bases[image] === 'string')
  return {
    flags: pinned.flatMap(({ argument, image }) => ['--build-arg', `${argument}=${image}@${bases[image]}`]),
    loose: all.filter(({ image }) => typeof bases[image] !== 'string').map(({ image }) => image),
  }
}

/**
 * Pulls the bases of images and records their digests: `npm run images -- --pin`.
 * @param {string} root @param {readonly string[]} names @param {Builder} builder
 * @returns {string | undefined} what failed
 */
export function recordDigests(root, names, builder) {
  const bases = readBases(root)
  for (const image of new Set(names.flatMap(name => baseArguments(root, name).map(base => base.image)))) {
    if (spawnSync(builder.name, ['pull', image], { stdio: 'inherit' }).status !== 0) return `${builder.name} could not pull ${image}`
    const { stdout } = spawnSync(builder.name, [...builder.digest, image], { encoding: 'utf8' })
    const digest = /sha256:[0-9a-f]{64}/.exec(stdout)?.[0]
    if (digest === undefined) return `${builder.name} names no digest of ${image}: ${stdout.trim()}`
    bases[image] = digest
    console.log(`${image}@${digest}`)
  }
  writeFileSync(
    fileOf(root),
    `${JSON.stringify(Object.fromEntries(Object.entries(bases).toSorted(([a], [b]) => (a < b ? -1 : 1))), null, 2)}\n`,
  )
  return undefined
}
