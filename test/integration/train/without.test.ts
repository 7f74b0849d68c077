import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { runCli } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { readRun } from '../../helpers/results.js'
import { writeShapes } from './shapes.js'

const folder = testFolder('without')
const network = '--model googlenet --weights random:1 --size 32x32 --device cpu'.split(' ')
let [root, shapes, features, audit] = ['', '', '', '']

async function cli(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(args)
  expect(code, stderr).toBe(0)
  return stdout
}

beforeAll(async () => {
  root = await folder()
  shapes = join(root, 'shapes')
  await writeShapes(shapes, 6)
  await writeFile(join(shapes, 'disc', 'copy.png'), await readFile(join(shapes, 'disc', '0001.png')))
  features = join(root, 'features')
  audit = join(root, 'audit')
  await cli('extract', shapes, ...network, '--layers', 'inception_3a', '--pool', 'avg', '--out', features)
  await cli('audit', shapes, '--features', features, '--labels', '3', '--out', audit)
})

const findings = async (place: string): Promise<string[][]> =>
  (await readFile(join(place, 'audit.csv'), 'utf8'))
    .trim()
    .split('\r\n')
    .slice(1)
    .map(line => line.split(','))
const keysOf = (rows: readonly string[][], kind: string): string[] => rows.filter(([, finding]) => finding === kind).map(([key]) => key!)

/** All but the first image of each group of duplicates. */
function copiesOf(rows: readonly string[][]): Set<string> {
  const groups = new Map<string, string[]>()
  for (const [key, finding, , group] of rows) {
    const id = `${finding} ${group}`
    if (finding!.endsWith('duplicate')) groups.set(id, [...(groups.get(id) ?? []), key!])
  }
  return new Set([...groups.values()].flatMap(keys => keys.slice(1)))
}

describe('what an audit found', () => {
  it('is found again by an update, which says what has come and gone', async () => {
    const out = join(root, 'updated')
    const args = ['audit', shapes, '--features', features, '--labels', '3', '--out', out, '--update']
    expect((await runCli(args)).stderr).not.toMatch(/new image/)
    const first = await readFile(join(out, 'audit.csv'))
    expect((await runCli(args)).stderr).toMatch(/0 new images, 0 gone since the last audit/)
    expect(await readFile(join(out, 'audit.csv'))).toEqual(first)
    expect(await readFile(join(audit, 'audit.csv'))).toEqual(first)
    expect(await readdir(join(out, 'kept'))).toHaveLength(4)
    const nowhere = await runCli(['audit', '--features', features, '--update'])
    expect(nowhere.stderr).toMatch(/--update: --out is not given, expected the folder/)
  })

  it('is left out of an extraction, and told in run.json', async () => {
    const out = join(root, 'fewer')
    const rows = await findings(audit)
    expect(keysOf(rows, 'exact-duplicate').sort()).toEqual(['disc/0001.png', 'disc/copy.png'])
    await cli(
      'extract',
      shapes,
      ...network,
      '--layers',
      'inception_3b',
      '--without',
      join(audit, 'audit.csv'),
      '--worst',
      '2',
      '--out',
      out,
    )
    const gone = new Set([...keysOf(rows, 'label').slice(0, 2), ...copiesOf(rows)])
    const run = await readRun(out)
    expect(run.counts.images).toBe(19 - gone.size)
    expect(run.leftOut).toMatchObject({ total: 0, reasons: [{ reason: 'named by --without', count: gone.size, expected: true }] })
    const other = await runCli(['extract', shapes, ...network, '--layers', 'inception_3b', '--out', out])
    expect(other.stderr).toMatch(/without was .*audit\.csv/)
  })

  it('changes what a training is made of, as far as a number says', async () => {
    const rows = await findings(audit)
    const plan = async (...flags: string[]): Promise<Record<string, number>> => {
      const stdout = await cli(
        'finetune',
        shapes,
        ...network,
        '--layer',
        'inception_3a',
        '--validation',
        '0',
        '--out',
        join(root, 'model'),
        '--plan',
        '--json',
        ...flags,
      )
      const { classes } = JSON.parse(stdout) as { classes: { name: string; training: number }[] }
      return Object.fromEntries(classes.map(({ name, training }) => [name, training]))
    }
    const file = join(audit, 'audit.csv')
    const kept = { disc: 7, square: 6, triangle: 6 }
    for (const key of copiesOf(rows)) kept[key.split('/')[0] as 'disc']--
    expect(kept.disc).toBeLessThan(7)
    expect(await plan()).toEqual({ disc: 7, square: 6, triangle: 6 })
    // Nineteen images in three parts, a class after the other.
    expect(await plan('--fold', '1/3')).toEqual({ disc: 4, square: 4, triangle: 4 })
    const relabelled = { disc: 7, square: 6, triangle: 6 }
    const [, , , , from, to] = rows.find(([, finding]) => finding === 'label')!
    relabelled[from as 'disc']--
    relabelled[to as 'disc']++
    expect(await plan('--relabel', file, '--worst', '1')).toEqual(relabelled)
    expect(await plan('--without', file, '--worst', '0')).toEqual(kept)
    const unsaid = await runCli([
      'finetune',
      shapes,
      ...network,
      '--layer',
      'inception_3a',
      '--out',
      join(root, 'model'),
      '--plan',
      '--without',
      file,
    ])
    expect(unsaid.code).not.toBe(0)
    expect(unsaid.stderr).toMatch(/worst: got nothing, expected a number: .*audit\.csv has 3 suspect labels/)
  })

  it('is not asked again once it was dismissed, and stays known', async () => {
    const rows = await findings(audit)
    const [first] = keysOf(rows, 'label')
    const judged = join(features, 'audit', 'audit.csv')
    await mkdir(join(features, 'audit'))
    const text = rows.map(row => [...row.slice(0, 6), row[0] === first && row[1] === 'label' ? 'dismissed' : ''].join(',')).join('\r\n')
    await writeFile(judged, `key,finding,score,group,label,detail,verdict\r\n${text}\r\n`)
    const [table, again] = [join(root, 'again.parquet'), join(root, 'again')]
    // Of the features' own audit by itself, as the dashboard keeps it; of another where it is named.
    await cli('audit', shapes, '--features', features, '--labels', '3', '--out', table, '--skip-pictures')
    await cli('audit', shapes, '--features', features, '--labels', '3', '--verdicts', table, '--out', again, '--skip-pictures')
    await rm(join(features, 'audit'), { recursive: true })
    const found = await findings(again)
    expect(
      keysOf(
        found.filter(row => row[6] === ''),
        'label',
      ),
    ).toHaveLength(3)
    expect(found.filter(([key, finding]) => key === first && finding === 'label').map(row => row[6])).toEqual(['dismissed'])
  })
})

describe('layermill audit', () => {
  it('names images that are held out too, classes that are taken for each other, and the images that drift', async () => {
    const heldOut = join(root, 'held-out')
    await writeShapes(heldOut, 2)
    const copies = new Set<string>()
    for (const kind of ['disc', 'square', 'triangle']) {
      const there = new Set<string>()
      for (const name of await readdir(join(heldOut, kind))) there.add((await readFile(join(heldOut, kind, name))).toString('base64'))
      for (const name of await readdir(join(shapes, kind)))
        if (there.has((await readFile(join(shapes, kind, name))).toString('base64'))) copies.add(`${kind}/${name}`)
    }
    expect(copies.size).toBeGreaterThan(5)
    const held = join(root, 'held-out-features')
    await cli('extract', heldOut, ...network, '--layers', 'inception_3a', '--pool', 'avg', '--out', held)
    const out = join(root, 'leaks')
    const stdout = await cli(
      'audit',
      shapes,
      '--features',
      features,
      '--held-out',
      held,
      '--reference',
      held,
      '--out',
      out,
      '--neighbours',
      'index',
      '--json',
    )
    const found = JSON.parse(stdout) as {
      counts: Record<string, number>
      neighbours: { by: string; recall: number }
      confusable: { classes: string[]; images: number; share: number }[]
      drift: { p: number; classifier: { accuracy: number; p: number }; images: { key: string; probability: number }[] }
    }
    const leaks = (await findings(out)).filter(([, finding]) => finding === 'leak')
    expect(found.counts['leak']).toBe(leaks.length)
    expect(found.neighbours.by).toBe('index')
    expect(found.neighbours.recall).toBeGreaterThan(0.9)
    expect(new Set(leaks.filter(([, , score]) => Number(score) === 0).map(([key]) => key))).toEqual(copies)
    expect(leaks.every(([, , , , , detail]) => /^(disc|square|triangle)\//.test(detail!))).toBe(true)
    for (const { classes, images, share } of found.confusable) {
      expect(new Set(classes).size).toBe(2)
      expect(images).toBeGreaterThan(0)
      expect(share).toBeLessThanOrEqual(1)
    }
    // The reference has six images, so six of the new ones are held against them.
    expect(found.drift.images).toHaveLength(6)
    expect(found.drift.classifier.p).toBeGreaterThan(0)
    const report = await readFile(join(out, 'report.html'), 'utf8')
    expect(report).toContain('Images that differ most from the reference')
    // Every finding of fewer than forty of a kind is shown with its picture.
    expect(report.split('src="data:image/jpeg;base64,')).toHaveLength((await findings(out)).length + 1)
    const fewer = join(root, 'not-held-out')
    await cli(
      'extract',
      shapes,
      ...network,
      '--layers',
      'inception_3a',
      '--without',
      join(out, 'audit.csv'),
      '--worst',
      '0',
      '--out',
      fewer,
    )
    const rows = await findings(out)
    const gone = new Set([...leaks.map(([key]) => key), ...copiesOf(rows)])
    expect((await readRun(fewer)).counts.images).toBe(19 - gone.size)
  })
})

describe('layermill probe', () => {
  it('judges the features of a run by folds, the same whenever it is asked', async () => {
    const ask = ['probe', shapes, '--features', features, '--folds', '3', '--repeats', '2', '--c', '0.01,1', '--json']
    const first = await cli(...ask)
    const { images, classes, results } = JSON.parse(first) as {
      images: number
      classes: number
      results: { accuracy: number; upper: number }[]
    }
    expect({ images, classes }).toEqual({ images: 19, classes: 3 })
    expect(results).toHaveLength(2)
    for (const { accuracy, upper } of results) expect(upper).toBeGreaterThanOrEqual(accuracy)
    expect(await cli(...ask)).toBe(first)
    expect(await cli('probe', '--features', features, '--folds', '3', '--raw')).toContain('95% interval')
    const refused = await runCli(['probe', '--features', features, '--c', '0'])
    expect(refused.stderr).toContain('--c: got "0", expected numbers above 0')
  })
})
