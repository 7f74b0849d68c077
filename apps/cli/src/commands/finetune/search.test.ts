import { FinetuneSpec } from '@layermill/contracts'
import { MemoryStore } from '@layermill/storage/testing'
import { describe, expect, it } from 'vitest'
import type { MetricsLine } from '@layermill/orchestrator/train'
import type { Output } from '../../output/output.js'
import { searchSettings, trialsOf } from './search.js'

const spec = (more: Record<string, unknown> = {}): FinetuneSpec =>
  FinetuneSpec.parse({ kind: 'finetune', source: '/pets', model: 'resnet50', out: '/models/pets', register: 'pets', ...more })

const own = { learningRate: 0.5, weightDecay: 0.1, head: [7] }

describe('values to try', () => {
  it('are combined, and what is not named stays', () => {
    expect(trialsOf('learning-rate=0.001,1e-2; head=none,512x256', own)).toEqual([
      { learningRate: 0.001, weightDecay: 0.1, head: [] },
      { learningRate: 0.01, weightDecay: 0.1, head: [] },
      { learningRate: 0.001, weightDecay: 0.1, head: [512, 256] },
      { learningRate: 0.01, weightDecay: 0.1, head: [512, 256] },
    ])
    expect(trialsOf('weight-decay=0', own)).toEqual([{ learningRate: 0.5, weightDecay: 0, head: [7] }])
  })

  it.each([
    '',
    'rate=1',
    'learning-rate=',
    'learning-rate=0',
    'weight-decay=2',
    'head=1x2x3',
    'head=0',
    'head=x',
    'head=2 head=3',
    'head=1=2',
  ])('are refused: %j', text => expect(() => trialsOf(text, own)).toThrow(/--search: got .*expected values to try/))

  it('are at most 200 trials', () => {
    const values = Array.from({ length: 15 }, (_, i) => i + 1).join(',')
    expect(() => trialsOf(`learning-rate=${values} head=${values}`, own)).toThrow(/200/)
  })
})

/** Loss of a part: least at a rate of 0.01 with a head; the last epoch is not the best one. */
function epochs({ learningRate, head, fold }: FinetuneSpec): MetricsLine[] {
  const loss = Math.abs(Math.log10(learningRate) + 2) + (head.length === 0 ? 0.5 : 0.25) + fold!.fold / 100
  const line = (epoch: number, value: number, best: boolean) =>
    ({ epoch, best, validation: { loss: value, accuracy: 0.5 }, training: { loss: 1 } }) as unknown as MetricsLine
  return [line(1, loss, true), line(2, loss + 1, false)]
}

describe('a search', () => {
  const text = 'learning-rate=0.1,0.01 head=none,16'
  const quiet: Output = { line: () => undefined, json: () => undefined, note: () => undefined }

  it('trains each trial on all parts but one, goes on where it ended, and takes the smallest loss', async () => {
    const store = new MemoryStore()
    const places: string[] = []
    const run = async (most: number): Promise<FinetuneSpec> =>
      searchSettings(
        quiet,
        spec(),
        { text, folds: 3 },
        {
          store,
          json: false,
          train: async trial => {
            if (places.length >= most) throw new Error('killed')
            expect([trial.register, trial.cache]).toEqual([undefined, '/models/pets/search/cache'])
            places.push(trial.out)
            return epochs(trial)
          },
        },
      )
    await expect(run(5)).rejects.toThrow('killed')
    expect(places.slice(0, 4)).toEqual(
      [1, 2, 3].map(part => `/models/pets/search/trial-001/part-${part}`).concat('/models/pets/search/trial-002/part-1'),
    )
    const chosen = await run(Infinity)
    expect(chosen).toEqual({ ...spec(), learningRate: 0.01, head: [16] })
    // The trial that was done is not asked again; the one that was not begins anew, and its runs are done already.
    expect(places.filter(place => place.includes('trial-001'))).toHaveLength(3)
    expect(places).toHaveLength(5 + 9)
    const { value } = JSON.parse(new TextDecoder().decode(await store.get('search/trial-004.json'))) as {
      value: { losses: number[]; loss: { mean: number } }
    }
    expect(value.losses).toEqual([0.26, 0.27, 0.28])
    expect(value.loss.mean).toBeCloseTo(0.27, 12)
    await run(0)
  })

  it('begins anew where another question is asked, and refuses a base that learns', async () => {
    const store = new MemoryStore()
    let runs = 0
    const train = async (trial: FinetuneSpec): Promise<MetricsLine[]> => {
      runs++
      return epochs(trial)
    }
    const options = { store, train, json: false }
    for (const seed of [0, 1]) await searchSettings(quiet, spec({ seed }), { text, folds: 3 }, options)
    expect(runs).toBe(24)
    await expect(searchSettings(quiet, spec({ base: 'full' }), { text, folds: 3 }, options)).rejects.toThrow('expected a frozen base')
    await expect(searchSettings(quiet, spec({ fold: '1/3', register: undefined }), { text, folds: 3 }, options)).rejects.toThrow('--fold')
  })
})
