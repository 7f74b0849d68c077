import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Ajv } from 'ajv'
import { describe, expect, it } from 'vitest'
import {
  at,
  commandViolations,
  composeFile,
  entriesOf,
  flagValue,
  isPinned,
  itemsOf,
  read,
  root,
  textAt,
  type Value,
} from './infra-files.js'

const compose = composeFile()
const services = entriesOf(at(compose, 'services'))
const words = (value: unknown): string[] => itemsOf(value).map(String)

/** The compose specification's own schema, as dclint ships it. */
function composeViolations(value: Value): string[] {
  const require = createRequire(import.meta.url)
  const file = path.join(path.dirname(require.resolve('dclint/package.json')), 'schemas/compose.schema.json')
  const ajv = new Ajv({ allErrors: true, strict: false, validateFormats: false, validateSchema: false })
  const validate = ajv.compile(JSON.parse(readFileSync(file, 'utf8')) as object)
  return validate(value)
    ? []
    : (validate.errors ?? []).map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`)
}

it('is valid by the schema of compose files', () => {
  expect(composeViolations(compose)).toEqual([])
  const changed = composeFile()
  Object.assign(at(changed, 'services', 'redis') as object, { restrat: 'always' })
  expect(composeViolations(changed)).toEqual([
    expect.stringContaining('/services/redis must NOT have additional properties {"additionalProperty":"restrat"}'),
  ])
})

it('has Redis, an S3 server, the orchestrator and two workers', () => {
  expect(services.map(([name]) => name).toSorted()).toEqual(['bucket', 'orchestrator', 'redis', 's3', 'worker'])
  expect(at(compose, 'services', 'worker', 'deploy', 'replicas')).toBe(2)
})

it('uses exact versions, and images that can be built', () => {
  for (const [name, service] of services) {
    expect(isPinned(String(at(service, 'image'))), name).toBe(true)
    if (at(service, 'build') !== undefined) expect(existsSync(path.join(root, textAt(service, 'build', 'dockerfile')))).toBe(true)
  }
  // Images that are built here are nobody's to publish, and each tag is built once: two builds of one tag at the same time fail.
  const built = services.filter(([, one]) => at(one, 'build') !== undefined).map(([, one]) => textAt(one, 'image'))
  for (const image of built) expect(image).toMatch(/^localhost\/layermill\//)
  expect(new Set(built).size).toBe(built.length)
})

it('Redis keeps what it is given', () => {
  const command = words(at(compose, 'services', 'redis', 'command'))
  const after = (flag: string): string | undefined => command[command.indexOf(flag) + 1]
  expect(after('--maxmemory-policy')).toBe('noeviction')
  expect(after('--appendonly')).toBe('yes')
  expect(words(at(compose, 'services', 'redis', 'volumes'))).toContain('redis:/data')
})

it('starts layermill with commands it has', () => {
  for (const [name, service] of services.filter(([, one]) => at(one, 'build') !== undefined)) {
    expect(commandViolations(words(at(service, 'command'))), name).toEqual([])
    expect(at(service, 'environment', 'LAYERMILL_QUEUE')).toBe('redis://redis:6379')
  }
})

it('refers only to what it declares', () => {
  const declared = (kind: string): string[] => entriesOf(at(compose, kind)).map(([name]) => name)
  for (const [name, service] of services) {
    const needs = entriesOf(at(service, 'depends_on'))
    expect(services.map(([one]) => one)).toEqual(expect.arrayContaining(needs.map(([one]) => one)))
    for (const [need, how] of needs) {
      if (at(how, 'condition') === 'service_healthy')
        expect(at(compose, 'services', need, 'healthcheck'), `${need}, which ${name} waits for`).toBeDefined()
    }
    const volumes = words(at(service, 'volumes')).map(volume => volume.split(':')[0] ?? '')
    expect(declared('volumes')).toEqual(expect.arrayContaining(volumes))
    expect(declared('networks')).toEqual(expect.arrayContaining(words(at(service, 'networks'))))
    expect(declared('secrets')).toEqual(expect.arrayContaining(words(at(service, 'secrets'))))
    expect(declared('configs')).toEqual(expect.arrayContaining(itemsOf(at(service, 'configs')).map(config => at(config, 'source'))))
  }
})

it('mounts folders only: a file that another one replaces stays the old one behind a mount of it alone', () => {
  for (const [name, service] of services) {
    // Named volumes are folders. A path of the host would start with a dot or slash, or be a mapping.
    for (const volume of itemsOf(at(service, 'volumes'))) expect(String(volume), name).toMatch(/^[a-z][a-z0-9-]*:\/[^:]+$/)
    expect(at(service, 'secrets'), name).toBeUndefined()
  }
  // Tokens are where the orchestrator keeps what is its own, which its user can read and write.
  expect(words(at(compose, 'services', 'orchestrator', 'volumes'))).toEqual(['orchestrator:/var/lib/layermill'])
  expect(words(at(compose, 'services', 'orchestrator', 'command'))).not.toContain('--tokens-file')
  expect(read('infra/docker/orchestrator.Dockerfile')).toContain('LAYERMILL_HOME=/var/lib/layermill')
})

describe('the service that makes the bucket', () => {
  const [shell, flag, script = ''] = [
    ...words(at(compose, 'services', 'bucket', 'entrypoint')),
    ...words(at(compose, 'services', 'bucket', 'command')),
  ]

  /** Exit code of the service where the S3 server's shell lists this; the shell itself ends with 0 always. */
  function codeFor(list: string): number | null {
    const folder = mkdtempSync(path.join(tmpdir(), 'layermill-bucket-'))
    try {
      writeFileSync(path.join(folder, 'list'), list)
      writeFileSync(
        path.join(folder, 'weed'),
        `#!/bin/sh\nread command rest\ntest "$command" != s3.bucket.list || cat ${folder}/list\nexit 0\n`,
      )
      chmodSync(path.join(folder, 'weed'), 0o755)
      const env = { PATH: `${folder}:${process.env['PATH']}` }
      return spawnSync(shell ?? '', [flag ?? '', script.replaceAll('$$', '$')], { env, stdio: 'ignore' }).status
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }

  it('ends well where the bucket is there, alone or among others', () => {
    expect(codeFor('  layermill\tsize:0\tchunk:0\n')).toBe(0)
    expect(codeFor('>   photos\tsize:0\tchunk:0\n  layermill\tsize:7\tchunk:1\n')).toBe(0)
    expect(codeFor('>   layermill\tsize:0\tchunk:0\n')).toBe(0)
  })

  it('fails where it is not, so that what needs it does not start', () => {
    for (const list of ['', 'error: no filer\n', '  photos\tsize:0\n', '  layermill-old\tsize:0\n', '  old-layermill\tsize:0\n'])
      expect(codeFor(list), JSON.stringify(list)).toBe(1)
    expect(at(compose, 'services', 'orchestrator', 'depends_on', 'bucket', 'condition')).toBe('service_completed_successfully')
  })
})

it('holds no secret, and the example names every variable', () => {
  const text = read('infra/compose.yaml')
  const variables = new Set([...text.matchAll(/\$\{(\w+)/g)].map(([, name]) => name))
  const example = new Set([...read('infra/.env.example').matchAll(/^(\w+)=/gm)].map(([, name]) => name))
  expect(example).toEqual(variables)
  for (const [, service] of services) {
    for (const [name, value] of entriesOf(at(service, 'environment'))) {
      if (/SECRET|ACCESS_KEY|TOKEN/.test(name)) expect(String(value)).toMatch(/^(\$\{\w+:\?.*\}|\/run\/secrets\/\w+)$/)
    }
  }
})

it('gives layermill nothing it does not need, and time to finish', () => {
  const seconds = (text: unknown): number => {
    const [, amount = '', unit] = /^(\d+)(s|m)$/.exec(String(text)) ?? []
    return Number(amount) * (unit === 'm' ? 60 : 1)
  }
  for (const [name, service] of services.filter(([, one]) => at(one, 'build') !== undefined)) {
    expect(at(service, 'read_only'), name).toBe(true)
    expect(at(service, 'cap_drop')).toEqual(['ALL'])
    expect(at(service, 'security_opt')).toEqual(['no-new-privileges:true'])
    const drain = flagValue(words(at(service, 'command')), '--drain-deadline')
    expect(seconds(at(service, 'stop_grace_period'))).toBeGreaterThan(name.startsWith('worker') ? Number(drain) : 30)
    expect(String(at(service, 'deploy', 'resources', 'limits', 'memory'))).toMatch(/^\d+g$/)
    // Only loopback of the host is open.
    for (const port of words(at(service, 'ports'))) expect(port).toMatch(/^127\.0\.0\.1:/)
  }
})
