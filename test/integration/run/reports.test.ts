import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { runCli, smallRun } from '../../helpers/cli.js'
import { testFolder } from '../../helpers/folders.js'
import { writeImage } from '../../helpers/images.js'
import { filesBelow, readRun } from '../../helpers/results.js'

const folder = testFolder('reports')
const network = ['--model', 'googlenet', '--weights', 'random:1', '--device', 'cpu']
let photos: string

beforeAll(async () => {
  photos = join(await folder(), 'photos')
  for (let i = 0; i < 10; i++) await writeImage(photos, `${i % 2 === 0 ? 'even' : 'odd'}/${i}.png`, i)
  await writeFile(join(photos, 'odd/broken.png'), 'no picture')
})

/** A report's text, which refers to nothing outside of it. */
async function report(path: string): Promise<string> {
  const html = await readFile(path, 'utf8')
  expect(html).not.toMatch(/<script|<link|https?:/)
  return html
}

describe('--report', () => {
  it('writes what an extraction did: counts, failures, pictures, a map, and times that run.json has too', async () => {
    const out = join(await folder(), 'features')
    const { code, stderr } = await runCli(smallRun(photos, out, '--part-size', '4', '--max-errors', '1', '--report'))
    expect(code, stderr).toBe(3)
    const html = await report(join(out, 'report.html'))
    expect(html).toContain('<dt>images</dt><dd>10</dd>')
    expect(html).toContain('odd/broken.png')
    expect(html).toContain('Map of conv2')
    expect(html.match(/data:image\/jpeg/g)).toHaveLength(10)
    expect(html.match(/data:image\/png/g)).toHaveLength(1)
    const { phases } = (await readRun(out)) as unknown as { phases: { parts: number; images: number; seconds: Record<string, number> }[] }
    expect(phases).toMatchObject([{ parts: 3, images: 11 }])
    const { read, decode, compute, write, all } = phases[0]!.seconds as Record<'read' | 'decode' | 'compute' | 'write' | 'all', number>
    for (const seconds of [read, decode, compute, write]) {
      expect(seconds).toBeGreaterThan(0)
      expect(seconds).toBeLessThanOrEqual(all + 0.001)
    }
    expect(html).toContain('Where the time went')

    // Of a run that is done the report alone is written.
    const again = await runCli(smallRun(photos, out, '--part-size', '4', '--max-errors', '1', '--report'))
    expect(again.stderr).toContain('already done')
    expect(await report(join(out, 'report.html'))).toContain('<dt>images</dt><dd>10</dd>')
    // A new run there does not leave it behind.
    expect((await runCli(smallRun(photos, out, '--max-errors', '1', '--overwrite'))).code).toBe(3)
    expect(await filesBelow(out)).not.toContain('report.html')
  })

  it("goes beside a prediction's file, and needs one", async () => {
    const file = join(await folder(), 'classes.csv')
    const command = ['predict', join(photos, 'even'), ...network, '--top', '2', '--report']
    const { code, stderr } = await runCli([...command, '--out', file])
    expect(code, stderr).toBe(0)
    expect(stderr).toContain('the weights are random: the classes mean nothing')
    const html = await report(join(await folder(), 'classes.report.html'))
    expect(html).toContain('<h2>Taken for</h2>')
    expect(html.match(/data:image\/jpeg/g)).toHaveLength(5)
    expect(await filesBelow(`${file}.run`)).toEqual([])
    const refused = await runCli(command)
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('--report')
  })
})

it('advise draws accuracy against bytes', async () => {
  const file = join(await folder(), 'layers.html')
  const sample = ['--layers', 'conv1,conv2', '--size', '32x32', '--sample', '10', '--max-errors', '1', '--report', file]
  const { code, stderr } = await runCli(['advise', photos, ...network, ...sample])
  expect(code, stderr).toBe(0)
  expect(stderr).toContain('report: ')
  const html = await report(file)
  for (const layer of ['conv1', 'conv2']) expect(html).toMatch(new RegExp(`<title>${layer}: [\\d.]+% at [\\d.]+ .?B an image</title>`))
})
