// Loaded with --import into the command: looks every few milliseconds how much CPU time the main thread took since the last look, and at
// the end writes the long ones to $LAYERMILL_LOOP_DELAY. CPU time rather than time, so that what else the machine does is not counted: a
// thread that took 50 ms of CPU between two looks has kept its event loop for as long. Plain JavaScript: the command runs it as it is.
import { readFileSync, writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const file = process.env['LAYERMILL_LOOP_DELAY']
if (isMainThread && file !== undefined) {
  const lookEvery = 5
  /** Milliseconds of CPU that this thread has taken. */
  const cpuTime = () => Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[0]) / 1e6
  /** When (milliseconds since 1970), milliseconds of CPU and of time since the look before. */
  const blocks = []
  let cpu = cpuTime()
  let time = performance.now()
  const look = () => {
    const [cpuNow, timeNow] = [cpuTime(), performance.now()]
    if (cpuNow - cpu > 2 * lookEvery) blocks.push({ at: performance.timeOrigin + timeNow, cpu: cpuNow - cpu, time: timeNow - time })
    cpu = cpuNow
    time = timeNow
  }
  setInterval(look, lookEvery).unref()
  process.on('exit', () => {
    look()
    writeFileSync(file, JSON.stringify(blocks))
  })
}
