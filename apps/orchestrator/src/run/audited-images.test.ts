import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore } from '@layermill/storage'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keysWithout, newLabels, readAudited } from './audited-images.js'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'layermill-audited-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

const read = async (name: string, text: string): Promise<Awaited<ReturnType<typeof readAudited>>> => {
  await writeFile(join(root, name), text)
  return readAudited(join(root, name), async url => openStore(url))
}

const header = 'key,finding,score,group,label,detail,verdict\r\n'
const rows = [
  'a.png,exact-duplicate,0,1,cat,,',
  'b.png,exact-duplicate,0,1,cat,,',
  'c.png,exact-duplicate,0,1,cat,,',
  'd.png,near-duplicate,0.2,2,cat,,dismissed',
  'e.png,near-duplicate,0.2,2,cat,,dismissed',
  'f.png,label,0.3,,cat,dog,',
  'g.png,label,0.1,,cat,dog,',
  '"h,1.png",label,0.2,,cat,fox,',
  'i.png,label,0.01,,cat,dog,dismissed',
  'j.png,label,0.9,,dog,cat,confirmed',
  'k.png,outlier,7,,dog,,',
  'l.png,outlier,6,,dog,,confirmed',
]

describe('images of an audit', () => {
  it('are left out: the worst labels by number, all but one of duplicates, and what was confirmed; never what was dismissed', async () => {
    const found = await read('audit.csv', `${header}${rows.join('\r\n')}\r\n`)
    expect([...keysWithout(found, 2, 'audit.csv')].sort()).toEqual(['b.png', 'c.png', 'g.png', 'h,1.png', 'j.png', 'l.png'])
    expect([...keysWithout(found, 0, 'audit.csv')].sort()).toEqual(['b.png', 'c.png', 'j.png', 'l.png'])
    expect(() => keysWithout(found, undefined, 'audit.csv')).toThrow(
      /worst: got nothing, expected a number: audit\.csv has 3 suspect labels/,
    )
  })

  it('get the likeliest class, the confirmed ones and the worst others', async () => {
    const found = await read('relabel.csv', `${header}${rows.join('\n')}`)
    expect([...newLabels(found, 1, 'relabel.csv')]).toEqual([
      ['j.png', 'cat'],
      ['g.png', 'dog'],
    ])
  })

  it('are all those of a list of keys alone', async () => {
    expect([...keysWithout(await read('keys.csv', '\uFEFFKey\nx.png\ny.png\n'), undefined, 'keys.csv')]).toEqual(['x.png', 'y.png'])
  })

  it('are refused with the line that is wrong', async () => {
    await expect(read('none.csv', 'path\na.png\n')).rejects.toThrow(/none\.csv: no column named key in the header \(found: path\)/)
    await expect(read('verdict.csv', 'key,verdict\na.png,maybe\n')).rejects.toThrow(/verdict\.csv:2: the verdict is maybe/)
    await expect(readAudited(join(root, 'gone.csv'), async url => openStore(url))).rejects.toThrow(/gone\.csv is not there/)
  })
})
