import { orchestratorMetrics, Metrics } from '@layermill/orchestrator'
import { WorkerMetrics, workerMetrics } from '@layermill/gpu-worker'
import { queueNames } from '@layermill/contracts'
import { parser } from '@prometheus-io/lezer-promql'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { at, itemsOf, kubernetesManifests, read, type Value } from './infra-files.js'

interface Use {
  readonly metric: string
  readonly labels: readonly string[]
}

/** Metrics and labels that a PromQL expression uses. Throws where it does not parse. */
function usesOf(expression: string): Use[] {
  const uses: { metric: string; labels: string[] }[] = []
  const grouping: string[] = []
  parser.parse(expression).iterate({
    enter({ name, from, to, type }) {
      const text = expression.slice(from, to)
      if (type.isError) throw new Error(`${expression}: does not parse at ${from}`)
      if (name === 'VectorSelector') uses.push({ metric: /^[\w:]+/.exec(text)?.[0] ?? '', labels: [] })
      else if (name === 'LabelName') {
        // Before any metric, or after it inside of braces, or in a grouping.
        const inside = /\{[^}]*$/.test(expression.slice(0, from))
        if (inside) uses.at(-1)?.labels.push(text)
        else grouping.push(text)
      }
    },
  })
  return uses.map(({ metric, labels }) => ({ metric, labels: [...labels, ...grouping] }))
}

/** Series that a metric makes, with their labels. */
function seriesOf(table: Record<string, { type: string; labels: readonly string[] }>): Map<string, readonly string[]> {
  return new Map(
    Object.entries(table).flatMap(([name, { type, labels }]): [string, readonly string[]][] =>
      type === 'histogram'
        ? [
            [`${name}_bucket`, [...labels, 'le']],
            [`${name}_count`, labels],
            [`${name}_sum`, labels],
          ]
        : [[name, labels]],
    ),
  )
}

const series = new Map([...seriesOf(orchestratorMetrics), ...seriesOf(workerMetrics)])

/** Labels that Prometheus adds to every series. */
const added = ['job', 'instance']

async function defaultMetrics(): Promise<string[]> {
  const found = await Promise.all(
    [new Metrics({ version: '1' }).registry, new WorkerMetrics({ version: '1', device: 'cpu', engine: 'onnx' }).registry].map(
      async registry => (await registry.getMetricsAsJSON()).map(({ name }) => name),
    ),
  )
  return found.flat().filter(name => /^(process|nodejs)_/.test(name))
}

async function checkExpression(expression: string): Promise<void> {
  const uses = usesOf(expression)
  expect(uses.length).toBeGreaterThan(0)
  const defaults = await defaultMetrics()
  for (const { metric, labels } of uses) {
    if (defaults.includes(metric)) continue
    expect([...series.keys()]).toContain(metric)
    expect([...(series.get(metric) ?? []), ...added], `labels of ${metric} in ${expression}`).toEqual(expect.arrayContaining([...labels]))
  }
}

describe('usesOf', () => {
  it('finds metrics and labels', () => {
    expect(usesOf('sum by (le, a) (rate(x_bucket{b="1", c=~"d|e"}[5m])) / max(y)')).toEqual([
      { metric: 'x_bucket', labels: ['b', 'c', 'le', 'a'] },
      { metric: 'y', labels: ['le', 'a'] },
    ])
    expect(() => usesOf('sum by (x')).toThrow('does not parse')
  })

  it('a check of an unknown metric or label fails', async () => {
    await expect(checkExpression('layermill_nothing')).rejects.toThrow('layermill_nothing')
    await expect(checkExpression('layermill_runs{colour="red"}')).rejects.toThrow('labels of layermill_runs')
  })
})

describe('KEDA', () => {
  const queries = kubernetesManifests()
    .filter(({ kind }) => kind === 'ScaledObject')
    .flatMap(({ value }) => itemsOf(at(value, 'spec', 'triggers')).map(trigger => String(at(trigger, 'metadata', 'query'))))

  it('asks for metrics that there are', async () => {
    expect(queries).toHaveLength(2)
    for (const query of queries) await checkExpression(query)
  })

  it('counts the queues that workers take jobs from, each once', () => {
    for (const query of queries) {
      const [, pattern = ''] = /queue=~"([^"]+)"/.exec(query) ?? []
      const matching = Object.values(queueNames).filter(queue => new RegExp(`^(?:${pattern})$`).test(queue))
      expect(matching).toEqual([queueNames.parts, queueNames.gradients])
      expect(query).toMatch(/^sum\(max by \(queue\) \(/)
    }
  })
})

describe('Grafana', () => {
  const dashboard = JSON.parse(read('infra/grafana/dashboard.json')) as Value
  const panels = itemsOf(at(dashboard, 'panels'))
  const shown = panels.filter(panel => at(panel, 'type') !== 'row')

  it('shows metrics that there are', async () => {
    const expressions = shown.flatMap(panel => itemsOf(at(panel, 'targets')).map(target => String(at(target, 'expr'))))
    expect(expressions.length).toBeGreaterThan(20)
    for (const expression of expressions) await checkExpression(expression)
  })

  it('shows every metric but the one that panels for others are made of', () => {
    const text = read('infra/grafana/dashboard.json')
    for (const name of [...Object.keys(orchestratorMetrics), ...Object.keys(workerMetrics)]) expect(text).toContain(name)
  })

  it('has the form of a dashboard: an id each, a place each, a source that can be chosen, an explanation', () => {
    expect(at(dashboard, 'title')).toBe('Layermill')
    expect(Number(at(dashboard, 'schemaVersion'))).toBeGreaterThanOrEqual(36)
    expect(at(dashboard, 'templating', 'list', 0)).toMatchObject({ name: 'datasource', type: 'datasource', query: 'prometheus' })
    const ids = panels.map(panel => at(panel, 'id'))
    expect(new Set(ids).size).toBe(ids.length)
    const taken = new Set<string>()
    for (const panel of panels) {
      const [x, y, w, h] = ['x', 'y', 'w', 'h'].map(key => Number(at(panel, 'gridPos', key)))
      expect(x! + w!).toBeLessThanOrEqual(24)
      for (let column = x!; column < x! + w!; column++) {
        for (let line = y!; line < y! + h!; line++) {
          expect(taken.has(`${column},${line}`), `${String(at(panel, 'title'))} overlaps`).toBe(false)
          taken.add(`${column},${line}`)
        }
      }
    }
    for (const panel of shown) {
      expect(['timeseries', 'stat']).toContain(at(panel, 'type'))
      expect(String(at(panel, 'description')).length).toBeGreaterThan(8)
      expect(at(panel, 'fieldConfig', 'defaults', 'unit')).toBeTypeOf('string')
      const targets = itemsOf(at(panel, 'targets'))
      expect(new Set(targets.map(target => at(target, 'refId'))).size).toBe(targets.length)
      for (const target of targets) expect(at(target, 'datasource')).toEqual({ type: 'prometheus', uid: '${datasource}' })
    }
  })

  it('expects the jobs that Prometheus is told to scrape', () => {
    const jobs = itemsOf(at(parse(read('infra/prometheus/prometheus.yaml')) as Value, 'scrape_configs')).map(job =>
      String(at(job, 'job_name')),
    )
    expect(jobs).toEqual(['layermill-orchestrator', 'layermill-worker'])
    const patterns = new Set(
      [...read('infra/grafana/dashboard.json').matchAll(/job=~\\"([^"\\]+)\\"/g)].map(([, pattern]) => pattern ?? ''),
    )
    expect(patterns.size).toBeGreaterThan(0)
    for (const pattern of patterns) for (const job of jobs) expect(job).toMatch(new RegExp(`^(?:${pattern})$`))
  })
})

it('docs/operations.md says what each metric means', () => {
  const text = read('docs/operations.md')
  for (const name of [...Object.keys(orchestratorMetrics), ...Object.keys(workerMetrics)]) expect(text).toContain(`\`${name}\``)
})
