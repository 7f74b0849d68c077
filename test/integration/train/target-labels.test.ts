import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { SchemaElement } from 'hyparquet'
import { FinetuneSpec } from '@layermill/contracts'
import { getNetwork } from '@layermill/models'
import { describeTraining, type TrainingEnvironment } from '@layermill/orchestrator/train'
import { openSource, type SourceAccess } from '@layermill/storage'
import { describe, expect, it } from 'vitest'
import { testFolder } from '../../helpers/folders.js'
import { parquetOf } from '../../helpers/parquet.js'

const folder = testFolder('target-labels')

/** Images of each class, by what a run would do with a source; nothing of it reads images. */
async function counted(source: string, fields: Record<string, unknown>): Promise<Record<string, number>> {
  const environment = {
    openLabelled: (place: string, access: SourceAccess) => openSource(place, { labels: 'auto', access }),
    base: async () => ({ network: getNetwork('resnet50') }),
  } as unknown as TrainingEnvironment
  const spec = { kind: 'finetune', source, model: 'resnet50', out: '/nowhere/model', validation: 0, target: 'multi-label', ...fields }
  const { classes } = await describeTraining(FinetuneSpec.parse(spec), environment)
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
