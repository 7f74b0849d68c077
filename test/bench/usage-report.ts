/** Loaded with `--import` into a command that is measured: at its end, writes what the process used as JSON to `$LAYERMILL_BENCH_USAGE`. */
import { readFileSync, writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const path = process.env['LAYERMILL_BENCH_USAGE']

/** Most memory of this program, in KiB. `maxRSS` alone has that of the process that started it, too, where that was larger. */
function peakKibibytes(maxRSS: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? maxRSS)
  } catch {
    return maxRSS
  }
}

if (isMainThread && path !== undefined) {
  process.on('exit', () => {
    const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
    writeFileSync(path, JSON.stringify({ cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, peakBytes: peakKibibytes(maxRSS) * 1024 }))
  })
}
