/** `npm run bench [-- NAME...]`: ratios measured side by side in one run. */
import { benchAudit } from './audit.js'
import { benchCache } from './cache.js'
import { benchCold } from './cold.js'
import { benchCompare } from './compare.js'
import { benchExtract } from './extract.js'
import { benchFleet } from './fleet.js'
import { benchForward } from './forward.js'
import { benchInt8 } from './int8.js'
import { benchMemory } from './memory.js'
import { benchOnnx } from './onnx.js'
import { benchPhotographs } from './photographs.js'
import { benchSimilar } from './similar.js'
import { benchTrain } from './train.js'
import { benchTurns } from './turns.js'
import { machine } from './usage.js'
import { benchWorkers } from './workers.js'

const benches: Record<string, () => Promise<void>> = {
  extract: benchExtract,
  audit: benchAudit,
  cache: benchCache,
  compare: benchCompare,
  forward: benchForward,
  int8: benchInt8,
  fleet: benchFleet,
  memory: benchMemory,
  onnx: benchOnnx,
  cold: benchCold,
  photographs: benchPhotographs,
  similar: benchSimilar,
  train: benchTrain,
  turns: benchTurns,
  workers: benchWorkers,
}

const names = process.argv.slice(2)
const unknown = names.filter(name => !Object.hasOwn(benches, name))
if (unknown.length > 0) {
  console.error(`no benchmark ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}`)
  process.exit(2)
}
console.log(`${await machine()}\n`)
for (const name of names.length > 0 ? names : Object.keys(benches)) {
  console.log(`== ${name}`)
  await benches[name]!()
  console.log()
}
