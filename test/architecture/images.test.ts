import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { pins } from '../../scripts/images/bases.mjs'
import { read, root } from './infra-files.js'

const { version } = JSON.parse(read('apps/cli/package.json')) as { version: string }
let folder: string

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'layermill-images-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Puts a builder on the path that notes what it is told to build, and ends with this code. */
function install(name: string, { answers = 0, builds = 0 } = {}): void {
  const script = `#!/bin/sh
test "$1" = build || { echo "cannot connect" >&2; exit ${answers}; }
echo "${name} $* (in $(pwd))" >> ${folder}/built
exit ${builds}
`
  writeFileSync(path.join(folder, name), script, { mode: 0o755 })
}

function images(...parameters: string[]): { code: number | null; text: string; built: string[] } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(root, 'scripts/images.mjs'), ...parameters], {
    encoding: 'utf8',
    // Nothing but what the test puts there, and the shell that it is written in.
    env: { PATH: folder },
  })
  let built: string[] = []
  try {
    built = readFileSync(path.join(folder, 'built'), 'utf8').trim().split('\n')
  } catch {
    // Nothing was built.
  }
  return { code: status, text: `${stdout}${stderr}`, built }
}

/** Flags that a builder is always given. */
const always: Record<string, string> = {
  docker: '',
  podman: '--format docker --build-arg TARGETARCH=<arch> ',
  buildah: '--format docker --layers --build-arg TARGETARCH=<arch> ',
}
const architecture = process.arch === 'x64' ? 'amd64' : process.arch

const line = (builder: string, name: string, { prefix = 'localhost/layermill', flags = '' } = {}): string =>
  `${builder} build -f infra/docker/${name}.Dockerfile -t ${prefix}/${name}:${version} ${always[builder]!.replace('<arch>', architecture)}${flags}. (in ${root})`

describe('npm run images', () => {
  it('builds with the first program that answers', () => {
    install('docker', { answers: 1 })
    install('buildah')
    const { code, built } = images('--build-only')
    expect(code).toBe(0)
    expect(built).toEqual([line('buildah', 'orchestrator'), line('buildah', 'worker-cpu')])
  })

  it('builds those that are named, under another name, with further flags', () => {
    install('podman')
    const { built } = images('worker-cuda', '--prefix', 'registry.example.com/team', '--', '--isolation', 'chroot')
    expect(built).toEqual([line('podman', 'worker-cuda', { prefix: 'registry.example.com/team', flags: '--isolation chroot ' })])
    expect(images('all', '--build-only').built).toHaveLength(1 + 4)
  })

  it('says which programs are missing, and why one that is there does not do', () => {
    install('docker', { answers: 1 })
    const { code, text, built } = images()
    expect(code).toBe(1)
    expect(built).toEqual([])
    expect(text).toContain('docker: does not answer: cannot connect')
    for (const name of ['podman', 'buildah']) expect(text).toContain(`${name}: is not installed`)
  })

  it('fails where a build does, and for names that there are not', () => {
    install('docker', { builds: 3 })
    expect(images()).toMatchObject({ code: 1, built: [line('docker', 'orchestrator')] })
    expect(images('worker-gpu')).toMatchObject({
      code: 2,
      text: expect.stringContaining('no image worker-gpu; there are orchestrator') as string,
    })
    expect(images('--prefix').code).toBe(2)
  })

  it('says which bases are named by a tag alone, and gives the builder the digests that are recorded', () => {
    install('podman')
    expect(images('orchestrator').text).toContain('no fleet was tried: it takes orchestrator and worker-cpu')
    const copy = path.join(folder, 'copy')
    mkdirSync(path.join(copy, 'infra/docker'), { recursive: true })
    writeFileSync(
      path.join(copy, 'infra/docker/one.Dockerfile'),
      'ARG NODE_IMAGE=node:1.2.3\nARG RUN_IMAGE=debian:1.2\nFROM ${NODE_IMAGE}\n',
    )
    const digest = `sha256:${'ab'.repeat(32)}`
    writeFileSync(path.join(copy, 'infra/docker/bases.json'), JSON.stringify({ 'debian:1.2': null, 'node:1.2.3': digest }))
    expect(pins(copy, 'one')).toEqual({ flags: ['--build-arg', `NODE_IMAGE=node:1.2.3@${digest}`], loose: ['debian:1.2'] })
  })
})
