import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore } from '@layermill/storage'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { refuseForeignFile } from './foreign-files.js'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'layermill-foreign-'))
  const store = openStore(root)
  for (const key of [
    'features/run.json',
    'features/errors/part-00000.jsonl',
    'features/notes.csv',
    'classes.csv.run/run.json',
    'models/pets/model.json',
    'models/pets/metrics.jsonl',
    'registry/models/pets/latest.json',
    'registry/models/pets/history.jsonl',
    'registry/models/pets/versions/1/version.json',
    'classes.csv',
  ])
    await store.put(key, 'x')
})
afterAll(() => rm(root, { recursive: true }))

const refuse = (file: string): Promise<void> => refuseForeignFile(join(root, file), async url => openStore(url))

it.each([
  'features/errors/part-00000.jsonl',
  'features/errors/part-00001.jsonl',
  'features/manifest/part-00000.jsonl',
  'features/features/pool5/x.csv',
  'classes.csv.run/predictions/part-00000.jsonl',
  'models/pets/metrics.jsonl',
  'registry/models/pets/history.jsonl',
  'registry/models/pets/versions/1/held-out.jsonl',
])("%s is another run's or model's", async file => {
  await expect(refuse(file)).rejects.toMatchObject({ code: 'RUN_CONFLICT', message: expect.stringContaining(file) as string })
})

it.each(['classes.csv', 'new.csv', 'deep/below/new.jsonl', 'features/classes.csv', 'features/notes.csv', 'models/new.csv'])(
  '%s may be written',
  async file => {
    await expect(refuse(file)).resolves.toBeUndefined()
  },
)
