import { readdir } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { CliProcess } from './cli.js'

/** Names in a folder, none where there is no folder. */
export const namesIn = async (folder: string): Promise<string[]> => readdir(folder).catch(() => [])

/** Looks until something is so. @throws Error naming what did not come to be so within four minutes */
export async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  for (const deadline = Date.now() + 240_000; !(await holds());) {
    if (Date.now() > deadline) throw new Error(`not so after four minutes: ${what}`)
    await pause(100)
  }
}

/** Looks until something is so, or the process has ended; whether it came to be so. */
export async function untilOrEnd(process: CliProcess, holds: () => Promise<boolean>): Promise<boolean> {
  let ended = false
  void process.ended.then(() => {
    ended = true
  })
  for (;;) {
    if (await holds()) return true
    if (ended) return false
    await pause(3)
  }
}
