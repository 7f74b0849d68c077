/** Plans a run over synthetic keys whose parts finish at once; prints what it took and the memory over time. */
import { superviseRun } from '@layermill/orchestrator/run'
import { syntheticRun } from './fleet-world.js'

const images = Number(process.argv[2])

type Listener = (event: { kind: 'completed'; part: number; result: { images: number; failed: number } }) => void
let listener: Listener = () => undefined

const { record, environment, store } = await syntheticRun(images, () =>
  Promise.resolve({
    add: (parts: readonly number[]) => {
      setImmediate(() => parts.forEach(part => listener({ kind: 'completed', part, result: { images: 512, failed: 0 } })))
      return Promise.resolve()
    },
    adopt: () => Promise.resolve(),
    missing: () => Promise.resolve([]),
    again: () => Promise.resolve(),
    removeWaiting: () => Promise.resolve(),
    subscribe: (found: Listener) => {
      listener = found
      return () => undefined
    },
  }),
)

const megabytes: number[] = []
const timer = setInterval(() => megabytes.push(Math.round(process.memoryUsage().rss / 1e6)), 250)
const cpu = process.cpuUsage()
const start = performance.now()
const done = await superviseRun(record, { environment, store, signal: new AbortController().signal })
const seconds = (performance.now() - start) / 1000
clearInterval(timer)
const { user, system } = process.cpuUsage(cpu)
if (done.counts.images !== images) throw new Error(`${done.counts.images} images planned, expected ${images}`)
console.log(
  JSON.stringify({
    seconds,
    cpuSeconds: (user + system) / 1e6,
    parts: done.counts.parts,
    puts: store.puts,
    written: store.written,
    // The first tenth is the start-up of the heap.
    half: Math.max(...megabytes.slice(0, megabytes.length / 2)),
    peak: Math.max(...megabytes),
  }),
)
