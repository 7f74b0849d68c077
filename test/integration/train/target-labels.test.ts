import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SchemaElement } from 'hyparquet'
import { FinetuneSpec } from '@layermill/contracts'
import { getNetwork } from '@layermill/models'
import { describeTraining, type TrainingDescription, type TrainingEnvironment } from '@layermill/orchestrator/train'
import { openSource, type SourceAccess } from '@layermill/storage'
import { describe, expect, it } from 'vitest'
import { testFolder } from '../../helpers/folders.js'
import { parquetOf } from '../../helpers/parquet.js'

const folder = testFolder('target-labels')

/** Description of what a run would do with a source; nothing of it reads images. */
function described(source: string, fields: Record<string, unknown>): Promise<TrainingDescription> {
  const environment = {
    openLabelled: (place: string, access: SourceAccess) => openSource(place, { labels: 'auto', access }),
    base: async () => ({ network: getNetwork('resnet50') }),
  } as unknown as TrainingEnvironment
  const spec = { kind: 'finetune', source, model: 'resnet50', out: '/nowhere/model', validation: 0, ...fields }
  return describeTraining(FinetuneSpec.parse(spec), environment)
}

/** Images of each class. */
async function counted(source: string, fields: Record<string, unknown>): Promise<Record<string, number>> {
  const { classes } = await described(source, { ...('targets' in fields ? {} : { target: 'multi-label' }), ...fields })
  return Object.fromEntries(classes.map(({ name, training }) => [name, training]))
}

async function list(name: string, text: string): Promise<string> {
  const path = join(await folder(), name)
  await writeFile(path, text)
  return path
}

const expected = { cat: 2, dog: 2, sofa: 1 }

describe('several labels an image', () => {
  it.each([
    ['names with bars', 'bars.csv', 'path,label\na.jpg,cat|dog\nb.jpg,dog | sofa\nc.jpg,cat\nd.jpg,[]\n', {}],
    ['JSON in a column', 'json.csv', 'path;label\na.jpg;"[""cat"",""dog""]"\nb.jpg;"[""dog"",""sofa""]"\nc.jpg;cat\n', {}],
    [
      'lists of jsonl',
      'lists.jsonl',
      '{"path":"a.jpg","tags":["cat","dog"]}\n{"path":"b.jpg","tags":["dog","sofa"]}\n{"path":"c.jpg","tags":["cat"]}\n{"path":"d.jpg","tags":[]}\n',
      { labelColumns: 'tags' },
    ],
    ['several columns', 'columns.csv', 'path,first,second\na.jpg,cat,dog\nb.jpg,dog,sofa\nc.jpg,cat,\n', { labelColumns: 'first,second' }],
    [
      'columns of 0 and 1, in their order',
      'onehot.csv',
      'path,cat,dog,sofa\na.jpg,1,1,0\nb.jpg,0,1,1.0\nc.jpg,true,false,0\nd.jpg,0,0,0\n',
      { labelColumns: ['cat', 'dog', 'sofa'] },
    ],
  ] as const)('are read from %s', async (_what, name, text, fields) => {
    expect(await counted(await list(name, text), fields)).toEqual(expected)
  })

  it('are read from sequences of a Parquet file, whose names it notes', async () => {
    const schema: SchemaElement[] = [
      { name: 'root', num_children: 2 },
      { name: 'image', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
      { name: 'label', converted_type: 'LIST', repetition_type: 'OPTIONAL', num_children: 1 },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', type: 'INT64', repetition_type: 'OPTIONAL' },
    ]
    const rows = [[0n, 1n], [1n, 2n], [0n], []]
    const bytes = parquetOf(
      [
        { name: 'image', data: rows.map((_, i) => Uint8Array.of(i)) },
        { name: 'label', data: rows },
      ],
      { schema, sequence: ['cat', 'dog', 'sofa'] },
    )
    const path = join(await folder(), 'sequence.parquet')
    await writeFile(path, bytes)
    expect(await counted(path, {})).toEqual(expected)
    await expect(counted(path, { labelColumns: 'tags' })).rejects.toThrow(/no column tags that holds labels; there are label/)
  })

  it('are refused where one class an image was asked for, and by name where they cannot be', async () => {
    const path = await list('refused.csv', 'path,label\na.jpg,"[""cat"",""dog""]"\nb.jpg,cat\n')
    await expect(counted(path, { target: 'class' })).rejects.toThrow(/a\.jpg has several labels/)
    await expect(counted(path, { labelColumns: 'breed' })).rejects.toThrow(/no column named breed in the header \(found: path, label\)/)
    const folderSource = await folder()
    await writeFile(join(folderSource, 'x.jpg'), '')
    await expect(counted(folderSource, { labelColumns: 'breed' })).rejects.toThrow(/--label-columns breed is of lists/)
  })
})

describe('numbers', () => {
  it('are outputs by their columns, or counted where they have none', async () => {
    const path = await list('numbers.csv', 'path,age,size,label\na.jpg,3,1.5,2\nb.jpg,-4e1,0,7.25\n')
    expect(await counted(path, { target: 'regression', labelColumns: 'age,size' })).toEqual({ age: 2, size: 2 })
    expect(await counted(path, { target: 'regression' })).toEqual({ value: 2 })
    const pairs = await list('pairs.csv', 'path,label\na.jpg,1|2\nb.jpg,"[3,4]"\n')
    expect(await counted(pairs, { target: 'regression' })).toEqual({ value1: 2, value2: 2 })
  })

  it('are refused with the image that has none', async () => {
    const words = await list('words.csv', 'path,label\na.jpg,3\nb.jpg,many\n')
    await expect(counted(words, { target: 'regression' })).rejects.toThrow(/b\.jpg is labelled "many", expected a number/)
    const other = await list('other.csv', 'path,label\na.jpg,3\nb.jpg,3|4\n')
    await expect(counted(other, { target: 'regression' })).rejects.toThrow(/b\.jpg has 2 numbers, a\.jpg has 1/)
  })
})

describe('several targets', () => {
  const targets = 'species:class,tags:multi-label,size:regression'
  const expectedOutputs = { 'species:cat': 1, 'species:dog': 2, 'tags:old': 2, 'tags:wild': 1, 'size:1': 2, 'size:2': 2 }

  it('are columns of .csv and .jsonl; an image counts for those that it has a value of', async () => {
    const csv = await list('mixed.csv', 'path,Species,tags,size\na.jpg,cat,old|wild,1|2\nb.jpg,dog,[],\nc.jpg,dog,,"[3,4]"\nd.jpg,,old,\n')
    expect(await counted(csv, { targets })).toEqual(expectedOutputs)
    expect((await described(csv, { targets })).images).toEqual({ training: 4, validation: 0 })
    const rows = [
      { path: 'a.jpg', species: 'cat', tags: ['old', 'wild'], size: [1, 2] },
      { path: 'b.jpg', species: 'dog', tags: [], size: null },
      { path: 'c.jpg', species: 'dog', size: [3, 4] },
      { path: 'd.jpg', species: null, tags: 'old' },
    ]
    const jsonl = await list('mixed.jsonl', rows.map(row => `${JSON.stringify(row)}\n`).join(''))
    expect(await counted(jsonl, { targets })).toEqual(expectedOutputs)
  })

  it('are columns of a Parquet file', async () => {
    const bytes = parquetOf([
      { name: 'image', data: [0, 1, 2].map(i => Uint8Array.of(i)) },
      { name: 'species', data: ['cat', 'dog', 'cat'] },
      { name: 'size', data: [1.5, 2, 4] },
    ])
    const path = join(await folder(), 'mixed.parquet')
    await writeFile(path, bytes)
    expect(await counted(path, { targets: 'species:class,size:regression' })).toEqual({ 'species:cat': 2, 'species:dog': 1, size: 3 })
  })

  it('are held out from a source of their own, which has no class and no count of numbers that is not trained', async () => {
    const path = await list('train.csv', 'path,species,size\na.jpg,cat,1\nb.jpg,dog,2\n')
    const held = await list('held.csv', 'path,species,size\nc.jpg,,3\nd.jpg,dog,\n')
    const fields = { targets: 'species:class,size:regression' }
    const { images, warnings } = await described(path, { ...fields, validation: held })
    expect(images).toEqual({ training: 2, validation: 2 })
    expect(warnings).toEqual([expect.stringMatching(/has no image of species:cat/)])
    const cow = await list('cow.csv', 'path,species,size\nc.jpg,cow,3\n')
    await expect(described(path, { ...fields, validation: cow })).rejects.toThrow(/has the class species:cow, which no training image has/)
    const pair = await list('pair.csv', 'path,species,size\nc.jpg,cat,3|4\n')
    await expect(described(path, { ...fields, validation: pair })).rejects.toThrow(/has 2 numbers as size, the training images 1/)
  })

  it('are refused with the image and the column', async () => {
    const path = await list('odd.csv', 'path,species,size\na.jpg,cat,1\nb.jpg,dog,1|2\nc.jpg,dog,big\n')
    await expect(counted(path, { targets: 'species:class,size:regression' })).rejects.toThrow(/b\.jpg has 2 numbers as size, a\.jpg has 1/)
    await expect(counted(path, { targets: 'size:class,species:regression' })).rejects.toThrow(
      /a\.jpg has "cat" as species, expected a number/,
    )
    const several = await list('several.jsonl', '{"path":"a.jpg","species":["cat","dog"],"size":1}\n')
    const refused = counted(several, { targets: 'species:class,size:regression' })
    await expect(refused).rejects.toThrow(/a\.jpg has several values of species, expected one class/)
    const none = await list('none.csv', 'path,species,size\na.jpg,,\nb.jpg,dog,1\n')
    await expect(counted(none, { targets: 'species:class,size:regression' })).rejects.toThrow(/1 of 2 images in .* has no label: a\.jpg/)
    await expect(counted(none, { targets: 'species:class,size:regression', skipUnlabelled: true })).rejects.toThrow(
      /\(target species\) has 1 image of the class dog only/,
    )
  })
})
