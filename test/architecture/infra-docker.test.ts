import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DockerfileParser, type Dockerfile, type From, type JSONInstruction } from 'dockerfile-ast'
import { describe, expect, it } from 'vitest'
import { commandViolations, filesOf, flagValue, isPinned, read, root } from './infra-files.js'

const names = ['orchestrator', 'worker-cpu', 'worker-cuda', 'worker-tfjs']
const dockerfile = (name: string): Dockerfile => DockerfileParser.parse(read(`infra/docker/${name}.Dockerfile`))

const stages = (file: Dockerfile): From[] => file.getFROMs()

const argumentsOf = (file: Dockerfile): Map<string, string> =>
  new Map(file.getInitialARGs().map(arg => [arg.getProperty()?.getName() ?? '', arg.getProperty()?.getValue() ?? '']))

/** Instructions of the last stage, which becomes the image. */
function finalStage(file: Dockerfile) {
  const start = stages(file).at(-1)?.getRange().start.line ?? 0
  return file.getInstructions().filter(instruction => instruction.getRange().start.line > start)
}

const strings = (instruction: JSONInstruction | undefined): string[] => instruction?.getJSONStrings().map(text => text.getJSONValue()) ?? []

const ignored = read('.dockerignore')
  .split('\n')
  .filter(line => line !== '' && !line.startsWith('#'))

/** Whether the build context holds a path: one of the exceptions to `**` names it or a folder above it. */
const inContext = (source: string): boolean =>
  ignored.some(line => line.startsWith('!') && (line.slice(1) === source || line === `!${source}/**`))

it('there is an image for each part of a fleet', () => {
  expect(filesOf('infra/docker')).toEqual(
    [...names.map(name => `${name}.Dockerfile`), 'bases.json', 'inventory.mjs', 'prune.mjs'].toSorted(),
  )
})

it('the build context is made of sources only', () => {
  expect(ignored[0]).toBe('**')
  for (const line of ['**/node_modules', '**/dist']) expect(ignored).toContain(line)
})

describe.each(names)('%s', name => {
  const file = dockerfile(name)

  it('parses, and starts from exact versions', () => {
    expect(file.getInstructions().length).toBeGreaterThan(10)
    const args = argumentsOf(file)
    const earlier: string[] = []
    for (const from of stages(file)) {
      const image = (from.getImage() ?? '').replaceAll(/\$\{(\w+)\}/g, (_, arg: string) => args.get(arg) ?? '')
      expect(earlier.includes(image) || isPinned(image), image).toBe(true)
      earlier.push(from.getBuildStage() ?? '')
    }
    expect(earlier.length).toBeGreaterThan(1)
  })

  it('names bases that have a place for their digest', () => {
    const bases = JSON.parse(read('infra/docker/bases.json')) as Record<string, string | null>
    const images = [...argumentsOf(file)].filter(([argument]) => argument.endsWith('_IMAGE')).map(([, image]) => image)
    expect(images.length).toBeGreaterThan(1)
    for (const image of images) expect(Object.keys(bases)).toContain(image)
    for (const digest of Object.values(bases)) expect(digest ?? `sha256:${'0'.repeat(64)}`).toMatch(/^sha256:[0-9a-f]{64}$/)
  })

  it('runs on the long-term version of Node.js', () => {
    const version = /^node:(\d+)\.(\d+)\.\d+-/.exec(argumentsOf(file).get('NODE_IMAGE') ?? '')
    expect(Number(version?.[1])).toBe(24)
    expect(Number(version?.[2])).toBeGreaterThanOrEqual(11)
  })

  it("keeps memory as the command's first line does", () => {
    const settings = (text: string): string[] => text.match(/\bMALLOC_\w+=\d+/g) ?? []
    const [firstLine = ''] = read('apps/cli/bin/layermill.js').split('\n', 1)
    expect(settings(firstLine)).toHaveLength(3)
    expect(settings(finalStage(file).join('\n'))).toEqual(settings(firstLine))
  })

  it('copies only what is there', () => {
    const earlier = stages(file).map(from => from.getBuildStage())
    const copies = file.getCOPYs()
    expect(copies.length).toBeGreaterThan(3)
    for (const copy of copies) {
      const [from] = copy.getFlags().filter(flag => flag.getName() === 'from')
      if (from !== undefined) {
        expect(earlier).toContain(from.getValue())
        continue
      }
      const paths = copy.getArguments().map(argument => argument.getValue())
      for (const source of paths.slice(0, -1)) {
        expect(existsSync(path.join(root, source)), `${source} exists`).toBe(true)
        expect(inContext(source), `${source} is in the build context`).toBe(true)
      }
    }
  })

  it('builds as the other images do', () => {
    const build = (text: string): string[] => text.slice(text.indexOf(' AS build')).split('\n').slice(1, 20)
    expect(build(read(`infra/docker/${name}.Dockerfile`))).toEqual(build(read('infra/docker/orchestrator.Dockerfile')))
  })

  it('is not root, tells its health, and starts a command that exists', () => {
    const last = finalStage(file)
    const only = (keyword: string) => {
      const found = last.filter(instruction => instruction.getKeyword() === keyword)
      expect(found, keyword).toHaveLength(1)
      return found[0]
    }
    expect(only('USER')?.getRawArgumentsContent()).toMatch(/^[1-9]\d*:[1-9]\d*$/)
    const check = only('HEALTHCHECK')?.getRawArgumentsContent() ?? ''
    expect(check).toContain('"/app/apps/cli/bin/healthcheck.js"')
    expect(existsSync(path.join(root, 'apps/cli/bin/healthcheck.js'))).toBe(true)
    // The queue's URL is of the environment: one that is not set leads to no queue of the image's own.
    expect(
      last
        .filter(one => one.getKeyword() === 'ENV')
        .map(one => one.getRawArgumentsContent())
        .join(' '),
    ).toContain('LAYERMILL_QUEUE=redis://')
    const [program, script = '', ...more] = strings(only('ENTRYPOINT') as JSONInstruction)
    expect([program, more]).toEqual(['node', []])
    expect(existsSync(path.join(root, script.replace(/^\/app\//, '')))).toBe(true)
    const command = strings(only('CMD') as JSONInstruction)
    expect(command[0]).toBe(name === 'orchestrator' ? 'serve' : 'worker')
    expect(commandViolations(command)).toEqual([])
    expect(flagValue(command, name === 'orchestrator' ? '--port' : '--health-port')).toBe(only('EXPOSE')?.getRawArgumentsContent())
  })

  it('bakes no secret in', () => {
    for (const env of [...file.getENVs(), ...file.getARGs()]) expect(env.getTextContent()).not.toMatch(/secret|password|token|access_key/i)
  })
})

it('the GPU images compute on the GPU, each with what its engine needs', () => {
  expect(read('infra/docker/worker-cuda.Dockerfile')).toContain('ONNXRUNTIME_NODE_INSTALL=cuda12')
  expect(argumentsOf(dockerfile('worker-cuda')).get('CUDA_IMAGE')).toMatch(/^nvidia\/cuda:12\..*-cudnn-runtime-/)
  expect(existsSync(path.join(root, 'node_modules/onnxruntime-node/script/install.js'))).toBe(true)
  const metadata = read('node_modules/onnxruntime-node/script/install-metadata.js')
  expect(metadata).toContain("'linux/x64:cuda12'")
  expect(read('infra/docker/worker-tfjs.Dockerfile')).toMatch(/@tensorflow\/tfjs-node-gpu@\d+\.\d+\.\d+$/m)
  expect(
    strings(finalStage(dockerfile('worker-tfjs')).find(instruction => instruction.getKeyword() === 'CMD') as JSONInstruction),
  ).toContain('tfjs')
})

describe('prune.mjs, which leaves what runs', () => {
  const files: Record<string, string[]> = {
    'node_modules/onnxruntime-node/bin/napi-v6/linux/x64/onnxruntime_binding.node': ['amd64'],
    'node_modules/onnxruntime-node/bin/napi-v6/linux/arm64/onnxruntime_binding.node': ['arm64'],
    'node_modules/onnxruntime-node/bin/napi-v6/darwin/arm64/onnxruntime_binding.node': [],
    'node_modules/onnxruntime-node/dist/index.js': ['amd64', 'arm64'],
    'node_modules/onnxruntime-node/dist/index.js.map': [],
    'node_modules/zod/src/index.d.ts': [],
    'node_modules/zod/src/index.ts': [],
    'node_modules/zod/src/index.js': ['amd64', 'arm64'],
    'node_modules/zod/README.md': [],
    'node_modules/h5wasm/dist/esm/hdf5_util.js': [],
    'node_modules/h5wasm/dist/node/hdf5_util.js': ['amd64', 'arm64'],
    'node_modules/bullmq/dist/esm/index.js': [],
    'node_modules/bullmq/dist/cjs/index.js': ['amd64', 'arm64'],
    'node_modules/pino/LICENSE.md': ['amd64', 'arm64'],
    'node_modules/zod/LICENSE': ['amd64', 'arm64'],
    'libs/core/dist/index.js': ['amd64', 'arm64'],
    'libs/core/dist/index.test.js': [],
    'libs/core/dist/index.js.map': [],
    'libs/core/src/index.ts': [],
    'libs/queue/dist/embedded/bullmq-1-pglite-2-1.tar': ['amd64', 'arm64'],
    'apps/cli/package.json': ['amd64', 'arm64'],
    'test/package.json': [],
    LICENSE: ['amd64', 'arm64'],
  }

  it.each(['amd64', 'arm64'])('on %s', target => {
    const folder = mkdtempSync(path.join(tmpdir(), 'layermill-prune-'))
    try {
      for (const file of Object.keys(files)) {
        mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
        writeFileSync(path.join(folder, file), '')
      }
      execFileSync(process.execPath, [path.join(root, 'infra/docker/prune.mjs'), folder], { env: { TARGETARCH: target } })
      const left = Object.keys(files).filter(file => existsSync(path.join(folder, file)))
      expect(left).toEqual(Object.entries(files).flatMap(([file, targets]) => (targets.includes(target) ? [file] : [])))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('fails where nothing would be left that computes', () => {
    const env = { TARGETARCH: 'riscv64' }
    expect(() => execFileSync(process.execPath, [path.join(root, 'infra/docker/prune.mjs'), tmpdir()], { env, stdio: 'pipe' })).toThrow(
      'TARGETARCH=riscv64',
    )
  })
})

it('inventory.mjs lists every package that is installed, with its licence', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'layermill-inventory-'))
  try {
    const write = (file: string, content: string): void => {
      mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
      writeFileSync(path.join(folder, file), content)
    }
    const manifest = (name: string, more = {}): string => JSON.stringify({ name, version: '1.0.0', license: 'MIT', ...more })
    write('apps/cli/package.json', manifest('layermill'))
    write('libs/core/package.json', manifest('@layermill/core'))
    write('libs/core/node_modules/inner/package.json', manifest('inner'))
    write('node_modules/@scope/one/package.json', manifest('@scope/one', { license: '(MIT OR Apache-2.0)' }))
    write('node_modules/@scope/one/LICENSE', 'the licence of one')
    write('node_modules/@scope/one/node_modules/deep/package.json', manifest('deep', { version: '2.0.0', license: { type: 'ISC' } }))
    write('node_modules/.bin/no/package.json', manifest('none'))
    execFileSync(process.execPath, [path.join(root, 'infra/docker/inventory.mjs'), folder, path.join(folder, 'about')])
    const sbom = JSON.parse(readFileSync(path.join(folder, 'about/sbom.cdx.json'), 'utf8')) as {
      specVersion: string
      components: { name: string; purl: string; licenses?: unknown }[]
    }
    expect(sbom.components.map(({ purl }) => purl)).toEqual([
      `pkg:generic/node@${process.versions.node}`,
      'pkg:npm/%40layermill/core@1.0.0',
      'pkg:npm/%40scope/one@1.0.0',
      'pkg:npm/deep@2.0.0',
      'pkg:npm/inner@1.0.0',
    ])
    expect(sbom.components[2]?.licenses).toEqual([{ expression: '(MIT OR Apache-2.0)' }])
    const licences = readFileSync(path.join(folder, 'about/licenses.txt'), 'utf8')
    expect(licences).toContain('the licence of one')
    expect(licences).toContain('deep 2.0.0 (ISC)')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

describe('commandViolations', () => {
  it('finds commands, flags and values that are not there', () => {
    expect(commandViolations(['serve', '--host=h', '--port', '1'])).toEqual([])
    for (const queue of [['--queue', 'q'], ['--queue=q']]) {
      expect(commandViolations(['serve', ...queue, '--host=h', '--port', '1'])).toEqual([
        'the URL of the queue belongs into the environment',
      ])
    }
    expect(commandViolations(['extract', '--queue', 'q'])).toEqual(['no part of a fleet is started by extract'])
    expect(commandViolations(['serve', '--host', 'h', '--port', '1', '--threads=2'])).toEqual(['serve has no flag --threads'])
    expect(commandViolations(['worker', '--threads', '--host', '--device'])).toEqual([
      '--threads lacks its value',
      '--device lacks its value',
      'worker is given no --host',
      'worker is given no --health-port',
    ])
  })
})
