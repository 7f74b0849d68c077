import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { auditPath, parseSpec, type RunDetail } from '@layermill/contracts'
import { openSource, openStore } from '@layermill/storage'
import { afterAll, beforeEach, expect, it } from 'vitest'
import { csvRow } from '../run/csv.js'
import { keysWithout, newLabels, readAudited } from '../run/audited-images.js'
import { StoreInspection } from './store-inspection.js'

let folder = ''
let out = ''
let inspection: StoreInspection
const made: string[] = []

/** Names that would do harm where they are taken for markup, formulas, paths or lines. */
const hostile = [
  '<img src=x onerror=alert(1)>.png',
  '=HYPERLINK("x").png',
  'a;b,"c".png',
  '../../outside.png',
  'line\nbreak.png',
  '__proto__',
]
const head = ['key', 'finding', 'score', 'group', 'label', 'detail', 'verdict', 'mine']

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layermill-audit-'))
  made.push(folder)
  out = join(folder, 'features')
  const spec = { kind: 'extract', source: join(folder, 'images'), model: 'googlenet', layers: 'pool5', out }
  // As much of a run as is looked at.
  const run = { id: 'extract-1', spec: parseSpec(spec) } as unknown as RunDetail
  inspection = new StoreInspection(
    { get: () => Promise.resolve(run) },
    { openStore: async url => openStore(url), openSource: (source, access) => openSource(source, { access }) },
  )
  const rows = [
    ['a.png', 'exact-duplicate', 0, 1, 'cat', '', '', ''],
    ['b.png', 'exact-duplicate', 0, 1, 'cat', '', '', ''],
    ...hostile.map((key, i) => [key, 'label', i / 100, '', 'cat', 'dog', '', 'kept']),
    ...Array.from({ length: 70 }, (_, i) => [`far-${i}.png`, 'outlier', i, '', 'cat', '', '', '']),
    ['old.png', 'label', '', '', '', '', 'dismissed', ''],
  ]
  await using store = openStore(out)
  await store.put(auditPath, [head, ...rows].map(csvRow).join(''))
})
afterAll(() => Promise.all(made.map(path => rm(path, { recursive: true }))))

const labels = (verdict: 'open' | 'all') => inspection.audit('extract-1', { finding: 'label', verdict })

it('lists findings by kind, page by page, first those that nobody has looked at', async () => {
  const first = await inspection.audit('extract-1', { verdict: 'open' })
  expect(first.kinds).toEqual([
    { finding: 'exact-duplicate', open: 2, confirmed: 0, dismissed: 0 },
    { finding: 'label', open: 6, confirmed: 0, dismissed: 1 },
    { finding: 'outlier', open: 70, confirmed: 0, dismissed: 0 },
  ])
  expect(first.findings).toEqual(['a.png', 'b.png'].map(key => ({ key, finding: 'exact-duplicate', score: 0, group: 1, label: 'cat' })))
  expect((await labels('open')).findings.map(({ key }) => key)).toEqual(hostile)
  expect((await labels('all')).findings.at(-1)).toEqual({ key: 'old.png', finding: 'label', verdict: 'dismissed' })
  const outliers = await inspection.audit('extract-1', { finding: 'outlier', verdict: 'open' })
  expect([outliers.findings.length, outliers.next]).toEqual([60, '60'])
  const rest = await inspection.audit('extract-1', { finding: 'outlier', verdict: 'open', from: '60' })
  expect([rest.findings.length, rest.next]).toEqual([10, undefined])
})

it('keeps verdicts where the command reads them, whatever keys are like', async () => {
  const judge = (key: string, finding: string, verdict: 'confirmed' | 'dismissed' | null) => ({ key, finding, verdict })
  const { kinds } = await inspection.judge('extract-1', {
    verdicts: hostile.map((key, i) => judge(key, 'label', i % 2 === 0 ? 'confirmed' : 'dismissed')),
  })
  expect(kinds[1]).toEqual({ finding: 'label', open: 0, confirmed: 3, dismissed: 4 })
  const rows = await readAudited(join(out, auditPath), async url => openStore(url))
  const confirmed = hostile.filter((_, i) => i % 2 === 0)
  expect([...keysWithout(rows, 0, 'audit')].toSorted()).toEqual([...confirmed, 'b.png'].toSorted())
  expect([...newLabels(rows, 0, 'audit')]).toEqual(confirmed.map(key => [key, 'dog']))
  // Changed once more, from two sides at once: neither is lost.
  await Promise.all([
    inspection.judge('extract-1', { verdicts: [judge('a.png', 'exact-duplicate', 'dismissed')] }),
    inspection.judge('extract-1', { verdicts: [judge(hostile[0]!, 'label', null)] }),
  ])
  const after = await inspection.audit('extract-1', { finding: 'label', verdict: 'all' })
  expect(after.kinds.map(({ open, confirmed: yes, dismissed: no }) => [open, yes, no])).toEqual([
    [1, 0, 1],
    [1, 2, 4],
    [70, 0, 0],
  ])
  await using store = openStore(out)
  const text = new TextDecoder().decode(await store.get(auditPath))
  expect(text.match(/kept/g)).toHaveLength(hostile.length)
  expect(text.split('\r\n')[0]).toBe(head.join(','))
})

it('keeps none of several verdicts where one is on nothing that was found, and shows no other pictures', async () => {
  const verdicts = ['a.png', 'never.png'].map(key => ({ key, finding: 'exact-duplicate', verdict: 'dismissed' as const }))
  await expect(inspection.judge('extract-1', { verdicts })).rejects.toMatchObject({ code: 'IMAGE_UNKNOWN' })
  expect((await inspection.audit('extract-1', { verdict: 'open' })).kinds[0]).toMatchObject({ open: 2, dismissed: 0 })
  await writeFile(join(folder, 'outside.png'), 'outside')
  const thumbnail = (key: string) => inspection.thumbnail('extract-1', { part: 'audit', key })
  await expect(thumbnail('never.png')).rejects.toMatchObject({ code: 'IMAGE_UNKNOWN' })
  await expect(thumbnail('../../outside.png')).rejects.toMatchObject({ code: 'IMAGE_UNREADABLE' })
})

it('says where there is no audit, or one too large to look at', async () => {
  await using store = openStore(out)
  await store.put(auditPath, csvRow(head) + csvRow(['a.png', 'label', 0, '', '', '', '', 'x'.repeat(17 * 2 ** 20)]))
  await expect(labels('all')).rejects.toMatchObject({
    code: 'NOT_RECORDED',
    message: expect.stringMatching(/larger than 16 MiB/) as string,
  })
  await store.delete(auditPath)
  await expect(labels('all')).rejects.toMatchObject({ code: 'NOT_RECORDED', hint: expect.stringMatching(/layermill audit/) as string })
  await expect(inspection.judge('extract-1', { verdicts: [{ key: 'a.png', finding: 'label', verdict: null }] })).rejects.toMatchObject({
    code: 'NOT_RECORDED',
  })
})
