import type { BlockStanding, SharedBlocks } from '@layermill/orchestrator/service'
import { expect, it } from 'vitest'
import { shareBlocks, type ShareOptions } from './share.js'

/** A queue of a test: what it says of each block, and which are taken off it. */
class Blocks implements SharedBlocks {
  readonly offered: number[] = []
  readonly taken: number[] = []
  constructor(private readonly standings: Map<number, BlockStanding>) {}

  offer(blocks: readonly number[]): Promise<void> {
    this.offered.push(...blocks)
    return Promise.resolve()
  }

  look(blocks: readonly number[]): Promise<BlockStanding[]> {
    return Promise.resolve(blocks.map(block => this.standings.get(block) ?? { state: 'waiting' }))
  }

  take(block: number): Promise<boolean> {
    if (this.standings.get(block)?.state === 'taken') return Promise.resolve(false)
    this.taken.push(block)
    this.standings.set(block, { state: 'gone' })
    return Promise.resolve(true)
  }
}

interface Shared {
  readonly done: number[]
  readonly notes: string[]
}

async function share(blocks: readonly number[], shared: SharedBlocks, more: Partial<ShareOptions> = {}): Promise<Shared> {
  const [done, notes]: [number[], string[]] = [[], []]
  await shareBlocks({
    blocks,
    known: [],
    shared,
    endedOf: of => Promise.resolve(of.filter(block => done.includes(block))),
    carryOut: block => Promise.resolve(void done.push(block)),
    signal: new AbortController().signal,
    note: text => void notes.push(text),
    onProgress: () => undefined,
    times: { lookMs: 1, awayMs: 20 },
    ...more,
  })
  return { done, notes }
}

it('does all blocks here where nobody else is there, from the last on', async () => {
  const shared = new Blocks(new Map())
  expect(await share([0, 1, 2], shared)).toEqual({ done: [2, 1, 0], notes: [] })
  expect(shared.offered).toEqual([0, 1, 2])
})

it('offers no block that was done before, and clears its job away', async () => {
  const shared = new Blocks(new Map([[1, { state: 'ended' }]]))
  expect((await share([0, 1], shared, { known: [1] })).done).toEqual([0])
  expect([shared.offered, shared.taken.includes(1)]).toEqual([[0], true])
})

it('leaves blocks to those who have them, and waits for these', async () => {
  const standings = new Map<number, BlockStanding>([[0, { state: 'taken' }]])
  const ended: number[] = []
  const looks: number[] = []
  const { done } = await share([0, 1], new Blocks(standings), {
    endedOf: blocks => Promise.resolve(blocks.filter(block => ended.includes(block))),
    onProgress: (_, count) => {
      looks.push(count)
      if (looks.length < 4) return
      ended.push(0)
      standings.set(0, { state: 'ended' })
    },
  })
  expect(done).toEqual([1])
  expect(looks.slice(0, 4)).toEqual([0, 1, 1, 1])
})

it('takes up a block whose server is gone', async () => {
  const standings = new Map<number, BlockStanding>([[0, { state: 'taken' }]])
  const onProgress = (_: string, count: number): void => {
    // Its lock has run out.
    if (count === 1) standings.set(0, { state: 'waiting' })
  }
  expect(await share([0, 1], new Blocks(standings), { onProgress })).toMatchObject({ done: [1, 0] })
})

it('does what servers could not do, and says once why', async () => {
  const failed = { code: 'RUN_MISSING', message: '/data/a: no run' }
  const standings = new Map<number, BlockStanding>([
    [0, { state: 'ended', failed }],
    [1, { state: 'waiting', failed }],
  ])
  const { done, notes } = await share([0, 1], new Blocks(standings))
  expect(done).toEqual([0, 1])
  expect(notes).toEqual([
    expect.stringMatching(/^a server could not do a block, which is done here: \/data\/a: no run \[RUN_MISSING\]\n.*s3:\/\/bucket/),
  ])
})

it('does a block whose job says that it is done while its values are not there', async () => {
  expect((await share([0], new Blocks(new Map([[0, { state: 'ended' }]])))).done).toEqual([0])
})

it('goes on without a queue that does not answer, and with one that answers again', async () => {
  const silent = new Promise<never>(() => undefined)
  const away: SharedBlocks = { offer: () => silent, look: () => silent, take: () => silent }
  const { done, notes } = await share([0, 1], away)
  expect(done).toEqual([1, 0])
  expect(notes).toEqual([expect.stringMatching(/^the queue cannot be asked \(no answer within 0.02 s\)/)])
  const broken = { ...away, look: () => Promise.reject(new Error('refused')) }
  expect((await share([0, 1], broken)).notes.at(-1)).toMatch(/refused/)
})

it('takes blocks that wait off the queue where it is stopped, and leaves those that servers have', async () => {
  const stop = new AbortController()
  const shared = new Blocks(new Map([[1, { state: 'taken' }]]))
  const stopped = share([0, 1, 2], shared, {
    signal: stop.signal,
    carryOut: () => {
      const reason = new Error('stopped')
      stop.abort(reason)
      return Promise.reject(reason)
    },
  })
  await expect(stopped).rejects.toThrow('stopped')
  expect(shared.taken).toEqual([2, 0, 2])
})
