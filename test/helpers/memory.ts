import { link, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { CliProcess, CliResult } from './cli.js'
import { writeImages } from './images.js'

/** A folder of many small pictures: a few of them, each under many names. */
export async function manyImages(folder: string, count: number): Promise<void> {
  const originals = join(folder, 'originals')
  const keys = await writeImages(originals, Math.min(count, 50))
  for (let i = keys.length; i < count; i++) {
    const part = join(folder, String(Math.floor(i / 1000)))
    if (i % 1000 === 0 || i === keys.length) await mkdir(part, { recursive: true })
    await link(join(originals, keys[i % keys.length]!), join(part, `${i}.png`))
  }
}

/** Runs a command to its end and says how many bytes it had in memory at its peak, as the kernel counted. */
export async function peakMemory(process: CliProcess): Promise<{ result: CliResult; bytes: number }> {
  let running = true
  const ended = process.ended.finally(() => {
    running = false
  })
  let kilobytes = 0
  while (running) {
    const status = await readFile(`/proc/${process.pid}/status`, 'utf8').catch(() => '')
    kilobytes = Math.max(kilobytes, Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1] ?? 0))
    await Promise.race([pause(50), ended])
  }
  return { result: await ended, bytes: kilobytes * 1024 }
}
