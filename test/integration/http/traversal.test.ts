import { writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import {
  checkModelName,
  layerFolder,
  parseModelReference,
  parseVersionUrl,
  QueueJobParams,
  RunId,
  ScheduleName,
} from '@layermill/contracts'
import { ModelRegistry } from '@layermill/orchestrator/registry'
import { openStore } from '@layermill/storage'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { testFolder } from '../../helpers/folders.js'
import { bearer, type Fixture, startServer } from './server-fixture.js'

const folder = testFolder('traversal')
const marker = 'this lies outside'
let server: Fixture

/** Ways out of a folder, also for whoever decodes once more than he should. */
const waysOut = [
  '..',
  '../secret',
  '../../secret',
  '/etc/passwd',
  'a/../../secret',
  './../secret',
  '..\\secret',
  'a\0b',
  '%2e%2e',
  '..%2fsecret',
  '%2e%2e%2fsecret',
  '..%5csecret',
  '%252e%252e%252fsecret',
  '..%00',
  '%c0%ae%c0%ae%c0%afsecret',
]

beforeAll(async () => {
  const root = await folder()
  for (const name of ['secret', 'secret.json', 'index.html']) await writeFile(join(root, name), marker)
  server = await startServer({ models: new ModelRegistry(openStore(join(root, 'registry'))) })
})
afterAll(() => server?.close())

/** The path as it is: fetch would tidy it up. */
function get(path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    request(`${server.url}/`, { path, headers: bearer('admin') }, response => {
      let body = ''
      response
        .setEncoding('utf8')
        .on('data', (text: string) => {
          body += text
        })
        .on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
      .on('error', reject)
      .end()
  })
}

it('paths of requests lead nowhere else', async () => {
  const prefixes = ['/v1/runs/', '/v1/schedules/', '/v1/models/', '/v1/queues/', '/assets/', '/docs/static/', '/']
  for (const prefix of prefixes) {
    for (const way of waysOut.map(text => text.replaceAll('\0', '%00').replaceAll('\\', '%5c'))) {
      const { status, body } = await get(`${prefix}${way}`)
      expect([400, 403, 404], `${prefix}${way}: ${status} ${body.slice(0, 200)}`).toContain(status)
      expect(body).not.toContain(marker)
      expect(body).not.toMatch(/root:|ENOENT|EISDIR/)
    }
  }
})

it('names and keys lead nowhere else', async () => {
  const store = openStore(join(await folder(), 'store'))
  for (const way of waysOut) {
    expect(RunId.safeParse(way).success, way).toBe(false)
    expect(QueueJobParams.safeParse({ queue: 'layermill-parts', id: way }).success, way).toBe(false)
    expect(QueueJobParams.safeParse({ queue: way, id: '1' }).success, way).toBe(false)
    expect(ScheduleName.safeParse(way).success, way).toBe(false)
    expect(() => checkModelName(way)).toThrow(expect.objectContaining({ code: 'MODEL_NAME_INVALID' }))
    expect(parseModelReference(`${way}@1`)).toBeUndefined()
    expect(parseVersionUrl(`s3://bucket/models/${way}/versions/1`)).toBeUndefined()
    expect(folderOf(way), way).toMatch(/^[\w.%-]*$/)
    expect(['.', '..']).not.toContain(folderOf(way))
  }
  for (const way of ['..', '../secret', '../../secret', '/etc/passwd', 'a/../../secret', './../secret', 'a\0b', '']) {
    for (const use of [() => store.get(way), () => store.put(way, 'x'), () => store.delete(way), () => store.stat(way)]) {
      await expect(use(), way).rejects.toThrow(expect.objectContaining({ code: 'KEY_INVALID' }))
    }
  }
})

/** The folder of a layer of this name; none where it cannot be one's. */
function folderOf(layer: string): string {
  try {
    return layerFolder(layer)
  } catch {
    return ''
  }
}
