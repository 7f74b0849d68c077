import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
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

const line = (builder: string, name: string, { prefix = 'localhost/layermill', flags = '' } = {}): string =>
  `${builder} build -f infra/docker/${name}.Dockerfile -t ${prefix}/${name}:${version} ${flags}. (in ${root})`

describe('npm run images', () => {
  it('builds with the first program that answers', () => {
    install('docker', { answers: 1 })
    install('buildah')
    const { code, built } = images()
    expect(code).toBe(0)
    expect(built).toEqual([line('buildah', 'orchestrator'), line('buildah', 'worker-cpu')])
  })

  it('builds those that are named, under another name, with further flags', () => {
    install('podman')
    const { built } = images('worker-cuda', '--prefix', 'registry.example.com/team', '--', '--isolation', 'chroot')
    expect(built).toEqual([line('podman', 'worker-cuda', { prefix: 'registry.example.com/team', flags: '--isolation chroot ' })])
    expect(images('all').built).toHaveLength(1 + 4)
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
})
