import { describe, expect, it } from 'vitest'
import { ThreadClient } from '../thread/client.js'
import { Replicas, type Replica } from './replicas.js'

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

/** Replicas without threads, what is begun in them (`replica:what`), and handles to end it by the same names. */
function fakeReplicas(count: number) {
  const begun: string[] = []
  const handles = new Map<string, Held>()
  const client = Object.create(ThreadClient.prototype) as ThreadClient
  const begin = async (replica: Replica, what: string): Promise<string> => {
    const name = `${replica.trainer}:${what}`
    begun.push(name)
    const held = hold()
    handles.set(name, held)
    await held.promise
    return what
  }
  const released: number[] = []
  const replicas = Array.from({ length: count }, (_, trainer): Replica => ({
    client,
    trainer,
    release: async () => void released.push(trainer),
  }))
  return {
    replicas: new Replicas(replicas),
    begun,
    begin,
    released,
    end: (name: string, error?: Error) => handles.get(name)!.settle(error),
  }
}

describe('Replicas', () => {
  it('gives each replica the next thing once it is free, and takes results in order', async () => {
    const { replicas, begun, begin, end } = fakeReplicas(2)
    const taken: string[] = []
    const call = replicas.inOrder(
      3,
      (replica, index) => begin(replica, `a${index}`),
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

  it('begins nothing further ahead of what was taken than there are replicas', async () => {
    const { replicas, begun, begin, end } = fakeReplicas(2)
    const call = replicas.inOrder(
      5,
      (replica, index) => begin(replica, `a${index}`),
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

  it('changes each replica behind what was asked before and ahead of what was asked after', async () => {
    const { replicas, begun, begin, end } = fakeReplicas(2)
    const first = replicas.inOrder(
      3,
      (replica, index) => begin(replica, `a${index}`),
      async () => undefined,
    )
    const change = replicas.all(replica => begin(replica, 'change'))
    const second = replicas.inOrder(
      1,
      replica => begin(replica, 'b'),
      async () => undefined,
    )
    await settled()
    end('0:a0')
    end('1:a1')
    await settled()
    // One replica has the last of the first call, the other is changed meanwhile.
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
    const { replicas, begun, begin, end } = fakeReplicas(2)
    const failing = replicas.inOrder(
      9,
      (replica, index) => begin(replica, `a${index}`),
      async () => undefined,
    )
    const next = replicas.inOrder(
      1,
      replica => begin(replica, 'b'),
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
    await replicas.release()
  })

  it('computes nothing once a change failed in one replica, but is freed', async () => {
    const { replicas, begun, begin, end, released } = fakeReplicas(2)
    const change = replicas.all(replica => begin(replica, 'change'))
    const later = replicas.inOrder(
      2,
      (replica, index) => begin(replica, `a${index}`),
      async () => undefined,
    )
    await settled()
    end('1:change', new Error('crashed'))
    await expect(change).rejects.toThrow('crashed')
    await expect(later).rejects.toMatchObject({ code: 'ENGINE_FAILED', message: expect.stringContaining('crashed') as string })
    end('0:change')
    await replicas.release()
    expect(begun).toEqual(['0:change', '1:change'])
    expect(new Set(released)).toEqual(new Set([0, 1]))
  })
})
