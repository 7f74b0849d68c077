import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { Ajv } from 'ajv'
import { expect, it } from 'vitest'
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
  expect(services.map(([name]) => name).toSorted()).toEqual(['bucket', 'orchestrator', 'redis', 's3', 'worker-1', 'worker-2'])
})

it('uses exact versions, and images that can be built', () => {
  for (const [name, service] of services) {
    expect(isPinned(String(at(service, 'image'))), name).toBe(true)
    if (at(service, 'build') !== undefined) expect(existsSync(path.join(root, textAt(service, 'build', 'dockerfile')))).toBe(true)
  }
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
    expect(words(at(service, 'command'))).toContain('redis://redis:6379')
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
    expect(seconds(at(service, 'stop_grace_period'))).toBeGreaterThan(name.startsWith('worker') ? Number(drain) : 15)
    // Only loopback of the host is open.
    for (const port of words(at(service, 'ports'))) expect(port).toMatch(/^127\.0\.0\.1:/)
  }
})
