import { describe, expect, it } from 'vitest'
import { ThreadClient } from '../thread/client.js'
import { Lanes, type Lane } from './lanes.js'

/** Something to wait for that the test settles. */
interface Held {
  readonly promise: Promise<void>
  settle(error?: Error): void
}

function hold(): Held {
  let settle: Held['settle'] = () => undefined
  const promise = new Promise<void>((resolve, reject) => {
    settle = error => (error === undefined ? resolve() : reject(error))
  })
  return { promise, settle }
}

/** Lets everything happen that can without anybody settling something. */
const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

/** Lanes without threads, what is begun in them (`lane:what`), and handles to end it by the same names. */
function fakeLanes(count: number) {
  const begun: string[] = []
  const handles = new Map<string, Held>()
  const client = Object.create(ThreadClient.prototype) as ThreadClient
  const begin = async (lane: Lane, what: string): Promise<string> => {
    const name = `${lane.trainer}:${what}`
    begun.push(name)
    const held = hold()
    handles.set(name, held)
    await held.promise
    return what
  }
  const released: number[] = []
  const lanes = Array.from({ length: count }, (_, trainer): Lane => ({ client, trainer, release: async () => void released.push(trainer) }))
  return { lanes: new Lanes(lanes), begun, begin, released, end: (name: string, error?: Error) => handles.get(name)!.settle(error) }
}

describe('Lanes', () => {
  it('gives each lane the next thing once it is free, and takes results in order', async () => {
    const { lanes, begun, begin, end } = fakeLanes(2)
    const taken: string[] = []
    const call = lanes.inOrder(
      3,
      (lane, index) => begin(lane, `a${index}`),
      async result => void taken.push(result),
    )
    await settled()
    expect(begun).toEqual(['0:a0', '1:a1'])
    end('1:a1')
    await settled()
    expect(begun).toEqual(['0:a0', '1:a1', '1:a2'])
    end('1:a2')
    await settled()
    expect(taken).toEqual([])
    end('0:a0')
    await call
    expect(taken).toEqual(['a0', 'a1', 'a2'])
  })

  it('begins nothing further ahead of what was taken than there are lanes', async () => {
    const { lanes, begun, begin, end } = fakeLanes(2)
    const call = lanes.inOrder(
      5,
      (lane, index) => begin(lane, `a${index}`),
      async () => undefined,
    )
    for (const name of ['1:a1', '1:a2']) {
      await settled()
      end(name)
    }
    await settled()
    // The first is not done.
    expect(begun).toEqual(['0:a0', '1:a1', '1:a2'])
    end('0:a0')
    await settled()
    expect(begun.slice(3).map(name => name.slice(2))).toEqual(['a3', 'a4'])
    for (const name of begun.slice(3)) end(name)
    await call
  })

  it('changes each lane behind what was asked before and ahead of what was asked after', async () => {
    const { lanes, begun, begin, end } = fakeLanes(2)
    const first = lanes.inOrder(
      3,
      (lane, index) => begin(lane, `a${index}`),
      async () => undefined,
    )
    const change = lanes.all(lane => begin(lane, 'change'))
    const second = lanes.inOrder(
      1,
      lane => begin(lane, 'b'),
      async () => undefined,
    )
    await settled()
    end('0:a0')
    end('1:a1')
    await settled()
    // One lane has the last of the first call, the other is changed meanwhile.
    expect(begun.slice(2).toSorted()).toEqual(['0:a2', '1:change'])
    end('1:change')
    await settled()
    expect(begun[4]).toBe('1:b')
    for (const name of ['1:b', '0:a2']) end(name)
    await settled()
    expect(begun[5]).toBe('0:change')
    end('0:change')
    await Promise.all([first, change, second])
  })

  it('leaves out the rest of what failed and goes on with the next call', async () => {
    const { lanes, begun, begin, end } = fakeLanes(2)
    const failing = lanes.inOrder(
      9,
      (lane, index) => begin(lane, `a${index}`),
      async () => undefined,
    )
    const next = lanes.inOrder(
      1,
      lane => begin(lane, 'b'),
      async () => undefined,
    )
    await settled()
    end('0:a0', new Error('no memory'))
    await expect(failing).rejects.toThrow('no memory')
    end('1:a1')
    await settled()
    const [b] = begun.filter(name => name.endsWith('b'))
    end(b!)
    for (const name of begun.filter(other => other.endsWith('a2'))) end(name)
    await next
    await lanes.release()
  })

  it('computes nothing once a change failed in one lane, but is freed', async () => {
    const { lanes, begun, begin, end, released } = fakeLanes(2)
    const change = lanes.all(lane => begin(lane, 'change'))
    const later = lanes.inOrder(
      2,
      (lane, index) => begin(lane, `a${index}`),
      async () => undefined,
    )
    await settled()
    end('1:change', new Error('crashed'))
    await expect(change).rejects.toThrow('crashed')
    await expect(later).rejects.toMatchObject({ code: 'ENGINE_FAILED', message: expect.stringContaining('crashed') as string })
    end('0:change')
    await lanes.release()
    expect(begun).toEqual(['0:change', '1:change'])
    expect(new Set(released)).toEqual(new Set([0, 1]))
  })
})
