import { existsSync } from 'node:fs'
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
  expect(filesOf('infra/docker')).toEqual(names.map(name => `${name}.Dockerfile`))
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

  it('runs on the version of Node.js that the tests run on', () => {
    const version = /^node:(\d+)\.(\d+)\.\d+-/.exec(argumentsOf(file).get('NODE_IMAGE') ?? '')
    expect(Number(version?.[1])).toBe(20)
    expect(Number(version?.[2])).toBeGreaterThanOrEqual(19)
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
    const build = (text: string): string[] => text.slice(text.indexOf(' AS build')).split('\n').slice(1, 15)
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
    expect(only('HEALTHCHECK')?.getRawArgumentsContent()).toContain('/healthz')
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

describe('commandViolations', () => {
  it('finds commands, flags and values that are not there', () => {
    expect(commandViolations(['serve', '--queue', 'q', '--host=h', '--port', '1'])).toEqual([])
    expect(commandViolations(['extract', '--queue', 'q'])).toEqual(['no part of a fleet is started by extract'])
    expect(commandViolations(['serve', '--queue', 'q', '--host', 'h', '--port', '1', '--device=cpu'])).toEqual([
      'serve has no flag --device',
    ])
    expect(commandViolations(['worker', '--queue', '--host', '--device'])).toEqual([
      '--queue lacks its value',
      '--device lacks its value',
      'worker is given no --host',
      'worker is given no --health-port',
    ])
  })
})
