import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** Lines of a process's output. */
export const linesOf = (stream: NodeJS.ReadableStream): AsyncIterator<string> => createInterface({ input: stream })[Symbol.asyncIterator]()

/** The next line that a process writes. */
export async function nextLine(lines: AsyncIterator<string>): Promise<string> {
  const line = await lines.next()
  if (line.done === true) throw new Error('a process of the benchmark ended early')
  return line.value
}

/** A server in a process of its own, by the script that tests use (this file runs from dist/), and what it says of itself. */
export async function startService<Described>(name: 'redis' | 'radosgw'): Promise<{ described: Described; stop: () => Promise<unknown> }> {
  const script = fileURLToPath(new URL(`../../../scripts/services/${name}.mjs`, import.meta.url))
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const described = JSON.parse(await nextLine(linesOf(child.stdout))) as Described
  return {
    described,
    stop: async () => {
      child.kill('SIGINT')
      return once(child, 'exit')
    },
  }
}
