import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FinetuneSpec } from '@layermill/contracts'
import { getNetwork } from '@layermill/models'
import { describeTraining, type TrainingDescription, type TrainingEnvironment } from '@layermill/orchestrator/train'
import { openSource } from '@layermill/storage'
import { describe, expect, it } from 'vitest'
import { testFolder } from '../../helpers/folders.js'
import { pictures, writePictures } from '../../helpers/parquet.js'

const folder = testFolder('class-order')

/** Description of what a run would do with a source; nothing of it reads weights or computes. */
function described(source: string, fields: Record<string, unknown> = {}): Promise<TrainingDescription> {
  const environment = {
    openLabelled: (place: string) => openSource(place, { labels: 'folder' }),
    base: async () => ({ network: getNetwork('resnet50') }),
  } as unknown as TrainingEnvironment
  return describeTraining(
    FinetuneSpec.parse({ kind: 'finetune', source, model: 'resnet50', out: '/nowhere/model', ...fields }),
    environment,
  )
}

const rowsOf = (labels: readonly number[]): { bytes: Buffer; path: string; label: number }[] =>
  labels.map((label, i) => ({ bytes: Buffer.from(`${i}`), path: `${i}.jpg`, label }))

describe('the classes of a training', () => {
  it('are in the order of the ClassLabel that a Parquet file notes, not of the alphabet or of the rows', async () => {
    const path = join(await folder(), 'pets.parquet')
    await writePictures(path, rowsOf([2, 1, 0, 2, 1, 0]), { classes: ['zebra', 'ant', 'moth'] })
    const { classes, network } = await described(path, { validation: 0 })
    expect(classes).toEqual(['zebra', 'ant', 'moth'].map(name => ({ name, training: 2, validation: 0 })))
    expect(network.classNames).toEqual(['zebra', 'ant', 'moth'])
  })

  it('keep that order where a class has no image, over several files, and for a held-out source in another order', async () => {
    const root = await folder()
    const names = ['zebra', 'newt', 'ant', 'moth']
    await writePictures(join(root, 'train-0.parquet'), rowsOf([3, 2]), { classes: names })
    await writePictures(join(root, 'train-1.parquet'), rowsOf([0, 2]), { classes: names })
    await writePictures(join(root, 'held.parquet'), rowsOf([0, 1, 2]), { classes: ['ant', 'moth', 'zebra'] })
    const { classes, network } = await described(join(root, 'train-*.parquet'), { validation: join(root, 'held.parquet') })
    expect(classes).toEqual([
      { name: 'zebra', training: 1, validation: 1 },
      { name: 'ant', training: 2, validation: 1 },
      { name: 'moth', training: 1, validation: 1 },
    ])
    expect(network.classNames).toEqual(['zebra', 'ant', 'moth'])
  })

  it('are ordered by number where a Parquet file holds integers without names', async () => {
    const path = join(await folder(), 'numbers.parquet')
    await writeFile(path, pictures(rowsOf([10, 2, 0, 10, 2, 0])))
    expect((await described(path)).network.classNames).toEqual(['0', '2', '10'])
  })

  it('come with a warning where they are the parts of a dataset', async () => {
    const root = await folder()
    for (const part of ['train', 'val', 'test']) {
      await mkdir(join(root, part))
      for (const name of ['a.jpg', 'b.jpg']) await writeFile(join(root, part, name), name)
    }
    const { warnings } = await described(root)
    expect(warnings[0]).toContain(`finetune ${root}/train --validation ${root}/val`)
  })
})
