import { spawnSync } from 'node:child_process'

/**
 * A program that builds images: how it says that it can work, flags of its own, and how it names the digest of an image that it has pulled.
 * Health checks are no part of the OCI's format, so the two that would write that are told to write Docker's.
 *
 * @typedef {{ name: string, answers: readonly string[], env: Record<string, string>, flags: readonly string[], digest: readonly string[] }} Builder
 */

/** In the order in which they are tried. @type {readonly Builder[]} */
const builders = [
  {
    name: 'docker',
    answers: ['version', '--format', '{{.Server.Version}}'],
    env: { DOCKER_BUILDKIT: '1' },
    flags: [],
    digest: ['image', 'inspect', '--format', '{{index .RepoDigests 0}}'],
  },
  {
    name: 'podman',
    answers: ['info'],
    env: {},
    flags: ['--format', 'docker'],
    digest: ['image', 'inspect', '--format', '{{index .RepoDigests 0}}'],
  },
  {
    name: 'buildah',
    answers: ['info'],
    env: {},
    flags: ['--format', 'docker', '--layers'],
    digest: ['inspect', '--type', 'image', '--format', '{{.FromImageDigest}}'],
  },
]

/**
 * The first builder that answers, else the reasons why none does.
 * @param {readonly string[]} [names] builders that may be taken; all by default
 * @returns {{ builder: Builder | undefined, reasons: string[] }}
 */
export function findBuilder(names = builders.map(({ name }) => name)) {
  /** @type {string[]} */
  const reasons = []
  for (const builder of builders.filter(({ name }) => names.includes(name))) {
    const { error, status, stderr } = spawnSync(builder.name, builder.answers, { encoding: 'utf8' })
    if (status === 0) return { builder, reasons }
    reasons.push(`${builder.name}: ${error === undefined ? `does not answer: ${stderr.trim().split('\n').at(-1)}` : 'is not installed'}`)
  }
  return { builder: undefined, reasons }
}
