import { existsSync } from 'node:fs'
import path from 'node:path'
import { neededVariables } from './needed-variables.mjs'
import { installPrograms, isOnPath } from './system-packages.mjs'
import { SetupError, root, step } from './terminal.mjs'

/**
 * The servers that tests run against. Each is started once for a whole test run and reaches the tests through an environment
 * variable; a variable that is set already names a server to use instead.
 *
 * @typedef {{ stop: () => Promise<void>, [detail: string]: unknown }} RunningService
 * @typedef {object} Service
 * @property {string} title
 * @property {string} variable
 * @property {string} file beside this folder, in services/
 * @property {string} start the name of the function it exports
 * @property {ReadonlyMap<string, string>} programs what it runs, with the Debian packages that bring them
 * @property {boolean} [optional] used where it is installed, and not installed for the tests
 * @property {(running: RunningService) => string} value of the variable
 */

/** @type {readonly Service[]} */
const services = [
  {
    title: 'the package as published',
    variable: 'LAYERMILL_TEST_PACKAGE',
    file: 'package.mjs',
    start: 'stagePackage',
    programs: new Map(),
    value: ({ folder }) => String(folder),
  },
  {
    title: 'Redis',
    variable: 'LAYERMILL_TEST_REDIS',
    file: 'redis.mjs',
    start: 'startRedis',
    programs: new Map([['redis-server', 'redis-server']]),
    value: ({ url }) => String(url),
  },
  {
    title: 'Ceph radosgw (S3)',
    variable: 'LAYERMILL_TEST_S3',
    file: 'radosgw.mjs',
    start: 'startRadosgw',
    programs: new Map([
      ['ceph-mon', 'ceph-mon'],
      ['ceph-osd', 'ceph-osd'],
      ['radosgw', 'radosgw'],
    ]),
    value: ({ env }) => JSON.stringify(env),
  },
  {
    title: 'Chromium',
    variable: 'LAYERMILL_TEST_CHROMIUM',
    file: 'chromium.mjs',
    start: 'findChromium',
    programs: new Map([['chromium', 'chromium']]),
    value: ({ path: program }) => String(program),
  },
  {
    title: 'nginx',
    variable: 'LAYERMILL_TEST_NGINX',
    file: 'nginx.mjs',
    start: 'findNginx',
    programs: new Map([['nginx', 'nginx']]),
    value: ({ path: program }) => String(program),
  },
  {
    title: 'Fashion-MNIST',
    variable: 'LAYERMILL_TEST_FASHION',
    file: 'fashion.mjs',
    start: 'startFashion',
    programs: new Map([['/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz', 'dataset-fashion-mnist']]),
    value: ({ folder }) => String(folder),
  },
  {
    title: 'strace',
    variable: 'LAYERMILL_TEST_STRACE',
    file: 'strace.mjs',
    start: 'findStrace',
    programs: new Map([['strace', 'strace']]),
    value: ({ path: program }) => String(program),
  },
  {
    title: 'PostgreSQL',
    variable: 'LAYERMILL_TEST_POSTGRES',
    file: 'postgres.mjs',
    start: 'startPostgres',
    programs: new Map([
      ['postgres', 'postgresql'],
      ['initdb', 'postgresql'],
    ]),
    optional: true,
    value: ({ url }) => String(url),
  },
  {
    title: 'SwiftShader (Vulkan without a GPU)',
    variable: 'LAYERMILL_TEST_VULKAN',
    file: 'swiftshader.mjs',
    start: 'findSwiftshader',
    programs: new Map([
      ['chromium', 'chromium'],
      ['libvulkan.so.1', 'libvulkan1'],
    ]),
    value: ({ driverFile }) => String(driverFile),
  },
]

/**
 * Starts the servers that the selected tests need. The caller stops what was started, whatever happens.
 *
 * @param {readonly string[]} filters vitest's arguments
 * @param {RunningService[]} started receives each server as soon as it runs, so that a later failure leaves none behind
 * @returns {Promise<Record<string, string>>} the variables for the tests
 */
export async function startServices(filters, started) {
  const needed = await neededVariables(filters)
  const wanted = []
  for (const service of services) {
    if (!needed.has(service.variable) || process.env[service.variable] !== undefined) continue
    if (!existsSync(path.join(root, 'scripts/services', service.file))) {
      console.log(`scripts/services/${service.file} is missing: ${service.variable} stays unset`)
      continue
    }
    const programs = await Promise.all([...service.programs.keys()].map(isOnPath))
    if (service.optional === true && programs.includes(false)) {
      console.log(`${service.title} is not installed: ${service.variable} stays unset`)
      continue
    }
    wanted.push(service)
  }
  await installPrograms(new Map(wanted.flatMap(service => [...service.programs])))
  // All at once: one has hardly more to do than to wait for its own parts.
  const starts = wanted.map(async service => {
    const module = await import(new URL(`../services/${service.file}`, import.meta.url).href)
    const running = await module[service.start]()
    started.push(running)
    return running
  })
  // One that fails ends the set-up, when the others are among those that are stopped.
  const settled = Promise.allSettled(starts)
  /** @type {Record<string, string>} */
  const environment = {}
  for (const [i, service] of wanted.entries()) {
    const running = await step(`Starting ${service.title}`, () => starts[i]).catch(async error => {
      await settled
      throw new SetupError(`${service.title} did not start: ${error.message}`)
    })
    environment[service.variable] = service.value(running)
  }
  return environment
}
