/** Loaded with `--import` into a command that is measured: at its end, writes what the process used as JSON to `$LAYERMILL_BENCH_USAGE`. */
import { writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const path = process.env['LAYERMILL_BENCH_USAGE']
if (isMainThread && path !== undefined) {
  process.on('exit', () => {
    const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
    writeFileSync(path, JSON.stringify({ cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, peakBytes: maxRSS * 1024 }))
  })
}
