import { queuePriority, type RunPriority, turnsOfPriority } from '@layermill/contracts'
import { describe, expect, it } from 'vitest'
import { firstTurn, PartShares, type SharedQueue } from './part-shares.js'

interface Waiting {
  readonly run: string
  readonly priority: number
}

/** A queue as BullMQ orders it: by number, then as they came. Counts what it is asked. */
class Simulated {
  readonly waiting: Waiting[] = []
  asked = 0

  readonly queue = {
    getJobs: (_states: unknown, from: number, to: number) => {
      this.asked += 1
      return Promise.resolve(this.waiting.slice(from, to + 1))
    },
    getJobCounts: () => {
      this.asked += 1
      return Promise.resolve({ prioritized: this.waiting.length })
    },
  } as unknown as SharedQueue

  add(run: string, numbers: readonly number[]): void {
    for (const priority of numbers) {
      let [low, high] = [0, this.waiting.length]
      while (low < high) {
        const middle = (low + high) >> 1
        if (this.waiting[middle]!.priority <= priority) low = middle + 1
        else high = middle
      }
      this.waiting.splice(low, 0, { run, priority })
    }
  }
}

/** A run as its orchestrator sees it: parts left, and a bounded number of them on the queue. */
class Run {
  served = 0
  outstanding = 0
  private readonly shares: PartShares

  constructor(
    private readonly on: Simulated,
    readonly name: string,
    private left: number,
    priority: RunPriority = 'normal',
    private readonly backlog = 200,
  ) {
    this.shares = new PartShares(on.queue, priority)
  }

  async adopt(outstanding: number): Promise<void> {
    await this.shares.take(outstanding, 0)
    this.outstanding = outstanding
  }

  /** Queues parts as there is room, in bulk as the tracker does. */
  async fill(): Promise<void> {
    const room = Math.min(this.left, this.backlog - this.outstanding)
    if (room < Math.min(this.left, 20) || room === 0) return
    this.on.add(this.name, await this.shares.take(room, this.outstanding))
    this.left -= room
    this.outstanding += room
  }
}

/** Serves so many parts, one after the other; the answer is whose they were. */
async function serve(on: Simulated, runs: readonly Run[], parts: number): Promise<string[]> {
  const served: string[] = []
  for (let i = 0; i < parts && on.waiting.length > 0; i++) {
    const { run: name } = on.waiting.shift()!
    const run = runs.find(each => each.name === name)!
    run.served += 1
    run.outstanding -= 1
    served.push(name)
    await run.fill()
  }
  return served
}

const count = (served: readonly string[], name: string): number => served.filter(each => each === name).length

describe('shares of runs', () => {
  it('50 runs of 10,000 parts get the same, whenever they came', async () => {
    const on = new Simulated()
    const runs: Run[] = []
    for (let i = 0; i < 50; i++) {
      runs.push(new Run(on, `run${i}`, 200))
      await runs[i]!.fill()
      await serve(on, runs, 20)
    }
    for (let round = 0; round < 40; round++) {
      const before = runs.map(run => run.served)
      await serve(on, runs, 200)
      for (const [i, run] of runs.entries()) {
        // 200 parts are four for each of 50 runs; the first ones end sooner, for they had the workers to themselves.
        if (run.outstanding > 5) expect(run.served - before[i]!, `${run.name} in round ${round}`).toBeGreaterThanOrEqual(3)
      }
    }
    await serve(on, runs, 10_000)
    expect(runs.map(run => run.served)).toEqual(runs.map(() => 200))
  })

  it('a run of one part goes next beside one of a million images', async () => {
    const on = new Simulated()
    const large = new Run(on, 'large', 2000, 'normal', 2000)
    await large.fill()
    await serve(on, [large], 300)
    const small = new Run(on, 'small', 1)
    await small.fill()
    expect((await serve(on, [large, small], 2))[0]).toBe('small')
  })

  it('a second large run takes turns with the first from the start, and neither catches up', async () => {
    const on = new Simulated()
    const first = new Run(on, 'first', 5000)
    await first.fill()
    await serve(on, [first], 1000)
    const second = new Run(on, 'second', 5000)
    await second.fill()
    for (let i = 0; i < 10; i++) {
      const served = await serve(on, [first, second], 100)
      expect(Math.abs(count(served, 'first') - 50)).toBeLessThanOrEqual(2)
    }
  })

  it('goes on with equal turns where an orchestrator forgot its own', async () => {
    const on = new Simulated()
    const [first, second] = [new Run(on, 'first', 5000), new Run(on, 'second', 5000)]
    await first.fill()
    await second.fill()
    await serve(on, [first, second], 500)
    // Taken up by another process, which adds again what is queued already: that changes nothing on the queue.
    const again = new Run(on, 'second', 4000)
    await again.adopt(second.outstanding)
    for (let i = 0; i < 5; i++) {
      const served = await serve(on, [first, again], 200)
      expect(count(served, 'first')).toBeGreaterThan(90)
      expect(count(served, 'second')).toBeGreaterThan(90)
    }
  })

  it('higher priorities go first, whatever waits, and find their turn in few questions', async () => {
    const on = new Simulated()
    const runs = [
      new Run(on, 'low', 3000, 'low', 3000),
      new Run(on, 'normal', 3000, 'normal', 3000),
      new Run(on, 'high', 3000, 'high', 3000),
    ]
    for (const run of runs) await run.fill()
    const late = new Run(on, 'late', 5, 'low')
    on.asked = 0
    await late.fill()
    expect(on.asked).toBeLessThan(20)
    const served = await serve(on, [...runs, late], 9005)
    expect(served.slice(0, 3000)).toEqual(Array.from({ length: 3000 }, () => 'high'))
    expect(served.slice(3000, 6000)).toEqual(Array.from({ length: 3000 }, () => 'normal'))
    expect(served.slice(6000, 6012).filter(name => name === 'late')).toHaveLength(5)
  })

  it('knows when nothing of a priority waits', async () => {
    const on = new Simulated()
    expect(await firstTurn(on.queue, 'normal')).toBeUndefined()
    on.add('a', [queuePriority('high', 3)])
    expect(await firstTurn(on.queue, 'high')).toBe(3)
    expect(await firstTurn(on.queue, 'normal')).toBeUndefined()
    on.add('b', [queuePriority('low', 7)])
    expect(await firstTurn(on.queue, 'normal')).toBeUndefined()
    expect(await firstTurn(on.queue, 'low')).toBe(7)
    on.add('c', [queuePriority('normal', 9)])
    expect(await firstTurn(on.queue, 'normal')).toBe(9)
  })

  it('stays within the numbers that a queue takes', () => {
    expect(queuePriority('high', 0)).toBe(1)
    expect(queuePriority('low', 1e12)).toBeLessThanOrEqual(2 ** 21 - 1)
    expect(queuePriority('normal', 1e12)).toBeLessThan(queuePriority('low', 0))
    expect(queuePriority('high', turnsOfPriority)).toBe(turnsOfPriority)
  })
})
