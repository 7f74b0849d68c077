import { setTimeout as pause } from 'node:timers/promises'
import { errorMessage, withDeadline } from '@layermill/core'
import type { BlockStanding, SharedBlocks } from '@layermill/orchestrator/service'

/** Times in milliseconds; tests have shorter ones. */
export interface ShareTimes {
  /** Between two looks at blocks that others have. */
  readonly lookMs: number
  /** After which a queue that does not answer is done without. */
  readonly awayMs: number
}

export interface ShareOptions {
  /** Blocks of the comparison. */
  readonly blocks: readonly number[]
  /** Those of them that were done before. */
  readonly known: readonly number[]
  readonly shared: SharedBlocks
  /** Those of some blocks of which all values are known. */
  readonly endedOf: (blocks: readonly number[]) => Promise<readonly number[]>
  /** Does one block in this process. */
  readonly carryOut: (block: number) => Promise<void>
  readonly signal: AbortSignal
  readonly note: (text: string) => void
  readonly onProgress: (step: string, done: number, total: number) => void
  readonly times?: ShareTimes
}

const needs = '  servers read the sets and write to --out at the same places: a disk that all share, or s3://bucket/prefix'
const usualTimes: ShareTimes = { lookMs: 500, awayMs: 10_000 }

/**
 * Shares the blocks of a comparison with whoever takes them from a queue, until all are done. This process does one after the other too,
 * from the last on, as others take them from the first: it ends by itself where nobody else is there, where those who are there cannot do
 * them, and where the queue is gone.
 * @throws what `carryOut` throws, and the signal's reason
 */
export async function shareBlocks(options: ShareOptions): Promise<void> {
  const { blocks: all, known, shared, endedOf, carryOut, signal, note, onProgress, times: { lookMs, awayMs } = usualTimes } = options
  const told = new Set<string>()
  const tell = (text: string): void => {
    if (!told.has(text)) note(text)
    told.add(text)
  }
  const asked = async <Answer>(question: () => Promise<Answer>): Promise<Answer | undefined> => {
    try {
      return await withDeadline(question(), awayMs, () => {
        throw new Error(`no answer within ${awayMs / 1000} s`)
      })
    } catch (error) {
      tell(`the queue cannot be asked (${errorMessage(error)}): blocks are done here meanwhile`)
      return undefined
    }
  }
  const open = new Set(all.filter(block => !known.includes(block)))
  const here = async (block: number): Promise<void> => {
    // It may have been done since it was looked at.
    if ((await endedOf([block])).length === 0) await carryOut(block)
    open.delete(block)
  }
  try {
    await asked(() => shared.offer([...open]))
    while (open.size > 0) {
      signal.throwIfAborted()
      const blocks = [...open]
      const standings = await asked(() => shared.look(blocks))
      const found = await settle(blocks, standings, endedOf)
      for (const block of found.done) open.delete(block)
      for (const { code, message } of found.failures)
        tell(`a server could not do a block, which is done here: ${message} [${code}]\n${needs}`)
      onProgress('blocks', all.length - open.size, all.length)
      const isAway = standings === undefined
      const free = await firstTaken(found, async block => isAway || ((await asked(() => shared.take(block))) ?? false))
      if (free !== undefined) await here(free)
      else if (open.size > 0) await pause(lookMs, undefined, { signal }).catch(() => undefined)
    }
  } finally {
    // Blocks that wait would be done for nobody; those that somebody has are done, and known to the next command. The queue keeps no
    // others.
    await Promise.all(all.map(block => withDeadline(shared.take(block), awayMs, () => false).catch(() => false)))
  }
}

interface Settled {
  /** Blocks that others have done. */
  readonly done: readonly number[]
  /** Blocks that nobody works at any more without having done them. */
  readonly lost: readonly number[]
  /** Blocks that somebody has or may take. */
  readonly held: readonly number[]
  readonly failures: readonly { readonly code: string; readonly message: string }[]
}

/** Tells blocks apart by how they stand. Without an answer of the queue nobody has them. */
async function settle(
  blocks: readonly number[],
  standings: readonly BlockStanding[] | undefined,
  endedOf: ShareOptions['endedOf'],
): Promise<Settled> {
  const past = blocks.filter((_, i) => standings === undefined || standings[i]!.state === 'ended' || standings[i]!.state === 'gone')
  const done = past.length === 0 ? [] : await endedOf(past)
  return {
    done,
    lost: past.filter(block => !done.includes(block)),
    held: blocks.filter(block => !past.includes(block)),
    failures: (standings ?? []).flatMap(({ failed }) => (failed === undefined ? [] : [failed])),
  }
}

/** The last block that is this process's to do. */
async function firstTaken({ lost, held }: Settled, take: (block: number) => Promise<boolean>): Promise<number | undefined> {
  const last = lost.at(-1)
  if (last !== undefined) {
    await take(last)
    return last
  }
  for (const block of held.toReversed()) if (await take(block)) return block
  return undefined
}
