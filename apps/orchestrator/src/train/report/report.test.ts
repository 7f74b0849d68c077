import { describe, expect, it } from 'vitest'
import type { MetricsLine } from '../metrics-line.js'
import { lineChart } from './chart.js'
import type { ExplainedMistakes } from './explain-mistakes.js'
import { reportHtml } from './report.js'

const line = (epoch: number, loss: number): MetricsLine => ({
  epoch,
  step: epoch,
  learningRate: 0.1,
  training: { loss, accuracy: 0.5 },
  gradientNorm: 1,
  validation: { loss, accuracy: 0.5, macroF1: 0.4 },
  best: false,
})
const evil = '</title><script>alert(1)</script><img src=x onerror="alert(1)">&\''
const report = (lines: MetricsLine[], mistakes = 1, explained?: ExplainedMistakes): string =>
  reportHtml({
    ...(explained === undefined ? {} : { explained }),
    title: evil,
    classes: [evil, 'b'],
    lines,
    best: {
      epoch: 1,
      summary: {
        samples: 2,
        loss: 1,
        accuracy: 0.5,
        macroF1: 0.3,
        confusion: [
          [1, 1],
          [0, 0],
        ],
        perClass: [
          { precision: 1, recall: 0.5, f1: 0.6, support: 2 },
          { precision: 0, recall: 0, f1: 0, support: 0 },
        ],
      },
      mistakes: Array.from({ length: mistakes }, () => ({
        key: `${evil}/a.png`,
        label: evil,
        predicted: 'b',
        probability: 0.9,
        loss: 2.3,
      })),
    },
    thumbnails: [Uint8Array.of(1, 2, 3)],
    lineage: { source: evil },
  })

describe('the report', () => {
  it('escapes everything that is not its own, and refers to nothing outside', () => {
    const html = report([line(1, 1)])
    expect(html).not.toContain('<img src=x')
    expect(html).not.toContain('onerror="')
    expect(html).not.toMatch(/<script|https?:/)
    expect(html).toContain('data:image/jpeg;base64,AQID')
    expect(html).toContain('Content-Security-Policy')
  })

  it('says every setting by its name, folds long lists, and marks the epoch of the model', () => {
    const html = reportHtml({
      title: 't',
      classes: ['a', 'b'],
      lines: Array.from({ length: 26 }, (_, i) => line(i + 1, 1)),
      best: undefined,
      thumbnails: [],
      lineage: { spec: { base: { res5: 1, '*': 0 }, head: [], augment: ['flip', 'crop'] }, of: undefined },
    })
    const facts = [...html.matchAll(/<div><dt>([^<]*)<\/dt><dd>([^<]*)<\/dd>/g)].map(([, name, value]) => [name, value])
    expect(facts).toContainEqual(['spec.base.res5', '1'])
    expect(facts).toContainEqual(['spec.head', 'none'])
    expect(facts).toContainEqual(['spec.augment', 'flip, crop'])
    expect(html).toContain('<details><summary>26 epochs</summary>')
    expect(report([line(1, 1)])).toContain('<details open><summary>1 epoch</summary>')
    expect(report([line(1, 1)])).toContain('class="mark"')
    expect(html).not.toContain('class="mark"')
  })

  it('has where an answer comes from below its picture, or the reason why not', () => {
    const html = report([line(1, 1)], 2, { overlays: [Uint8Array.of(4, 5, 6)], layer: 'res5' })
    expect(html).toContain('src="data:image/jpeg;base64,AQID"><img alt="" src="data:image/jpeg;base64,BAUG">')
    expect(html).toContain('(Grad-CAM at res5)')
    expect(html.match(/BAUG/g)).toHaveLength(1)
    expect(report([line(1, 1)], 1, { overlays: [], layer: { missing: evil } })).toContain('Not explained: &lt;/title&gt;')
    expect(report([line(1, 1)], 0, { overlays: [], layer: 'res5' })).not.toContain('Grad-CAM')
  })

  it('does without held-out images, epochs or mistakes', () => {
    expect(reportHtml({ title: 't', classes: ['a', 'b'], lines: [], best: undefined, thumbnails: [], lineage: {} })).toContain(
      'No images were held out',
    )
    expect(report([line(1, 1)], 0)).toContain('None.')
  })
})

describe('a chart', () => {
  const chart = (values: number[]): string => lineChart({ title: 'Loss', series: [{ name: 'training', style: 'a', values }] })

  it('keeps its points inside, whatever the values', () => {
    for (const values of [[1], [0, 0], [1e9, 2e9, 3e9], [1e-9, 2e-9], [5, Number.NaN, 3], [Infinity, 1], []]) {
      const points = [.../points="([^"]*)"/.exec(chart(values))![1]!.matchAll(/([-\d.]+),([-\d.]+)/g)]
      expect(points).toHaveLength(values.filter(Number.isFinite).length)
      for (const [, x, y] of points) {
        expect(Number(x)).toBeGreaterThanOrEqual(52)
        expect(Number(x)).toBeLessThanOrEqual(508)
        expect(Number(y)).toBeGreaterThanOrEqual(12)
        expect(Number(y)).toBeLessThanOrEqual(208)
      }
      expect(chart(values)).not.toMatch(/NaN|Infinity/)
    }
  })
})
