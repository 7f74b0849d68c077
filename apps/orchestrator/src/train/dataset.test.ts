import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LeftOut, openSource } from '@layermill/storage'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findClasses, listLabelled, splitsAsClasses } from './dataset.js'

let root = ''
let list = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'layermill-dataset-'))
  await mkdir(join(root, 'in'))
  for (const name of ['a', 'b', 'c', 'd']) await writeFile(join(root, 'in', `${name}.jpg`), name)
  list = join(root, 'in', 'list.csv')
  await writeFile(list, 'path,label\na.jpg,cat\nb.jpg,\nc.jpg,dog\nd.jpg,\n')
})
afterAll(() => rm(root, { recursive: true, force: true }))

describe('images without a label', () => {
  it('are an error that names them and the flag that leaves them out', async () => {
    const refusal = {
      code: 'LABEL_MISSING',
      message: `2 of 4 images in ${list} have no label: b.jpg, d.jpg`,
      hint: expect.stringContaining('--skip-unlabelled leaves out images without a label') as string,
    }
    await expect(openSource(list).then(source => listLabelled(source, list))).rejects.toMatchObject(refusal)
    await expect(openSource(list).then(source => listLabelled(source, list, { skipUnlabelled: false }))).rejects.toMatchObject(refusal)
  })

  it('are left out on request and counted, which is no error under strict', async () => {
    for (const strict of [false, true]) {
      const leftOut = new LeftOut()
      const rows = await listLabelled(await openSource(list), list, { skipUnlabelled: true, strict, leftOut })
      expect(rows.map(({ key, label }) => [key, label])).toEqual([
        ['a.jpg', 'cat'],
        ['c.jpg', 'dog'],
      ])
      expect(leftOut.table()).toEqual([{ reason: 'without a label', count: 2, examples: ['b.jpg', 'd.jpg'], expected: true }])
    }
  })

  it('are not enough to train on where all are left out', async () => {
    const place = join(root, 'none.csv')
    await writeFile(place, 'path,label\nin/a.jpg,\nin/b.jpg,\n')
    const rows = await listLabelled(await openSource(place), place, { skipUnlabelled: true })
    expect(() => findClasses(rows, place)).toThrow(expect.objectContaining({ code: 'CLASS_TOO_FEW' }) as Error)
  })
})

describe('a folder whose classes are the parts of a dataset', () => {
  it.each([
    [['test', 'train', 'val'], 'train', 'val'],
    [['test', 'train'], 'train', 'test'],
    [['Training', 'Validation'], 'Training', 'Validation'],
    [['dev', 'trn'], 'trn', 'dev'],
    [['eval', 'training'], 'training', 'eval'],
    [['test', 'val'], 'test', 'val'],
  ])('%j is told, with the command that is meant', (classes, training, held) => {
    for (const place of ['/data/pets', '/data/pets/']) {
      expect(splitsAsClasses(place, classes)).toBe(
        `the classes are ${classes.join(', ')}, which look like the parts of a dataset: to train on one and hold another out, finetune /data/pets/${training} --validation /data/pets/${held}`,
      )
    }
  })

  it('is told of one part alone too', () => {
    expect(splitsAsClasses('/data/pets', ['train'])).toBe(
      'the class is train, which looks like a part of a dataset: finetune /data/pets/train',
    )
  })

  it.each([[['cat', 'dog']], [['train', 'plane']], [['train', 'val', 'cat']], [['trainer', 'tester']]])('%j is not', classes => {
    expect(splitsAsClasses('/data/pets', classes)).toBeUndefined()
  })
})
