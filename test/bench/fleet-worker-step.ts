/** A worker whose engine does nothing: it takes parts and says that they are done. Ends with its parent, and prints its CPU time. */
import { startPartWorker } from '@layermill/inference'
import { setTimeout as sleep } from 'node:timers/promises'
import { openBroker } from '@layermill/queue'

const broker = await openBroker(process.argv[2])
const partMs = Number(process.argv[3] ?? 0)
const worker = startPartWorker(broker, {
  process: async () => {
    if (partMs > 0) await sleep(partMs)
    return { images: 512, failed: 0 }
  },
})
await worker.waitUntilReady()
const ready = process.cpuUsage()
console.log('ready')
process.stdin.resume()
process.stdin.on('end', () => {
  const { user, system } = process.cpuUsage(ready)
  console.log(JSON.stringify({ cpuSeconds: (user + system) / 1e6 }))
  void broker.close(2000).then(() => process.exit(0))
})
