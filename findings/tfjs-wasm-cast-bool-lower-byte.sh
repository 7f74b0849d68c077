#!/usr/bin/env bash
# @tensorflow/tfjs-backend-wasm 4.22.0: a cast to bool keeps the lower eight bits of the whole part, on the CPU backend it asks whether the
# value is 0.
#
# Expected: every number but 0 is true and stored as 1, as tfjs-core's CPU backend 4.22.0 has it.
# Seen: 0.3 and 0.9 are false, 256 and 512 are false (int32 256 too), 2 and 255 stay 2 and 255 in a tensor of type bool, so that a sum
# counts them as 257 true values and logicalNot(2) is 3. A mask made of probabilities is empty, one made of counts has holes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund \
  @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-backend-cpu@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0

cat >cast.mjs <<'JS'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'

const require = createRequire(import.meta.url)
const tf = require('@tensorflow/tfjs-core')
require('@tensorflow/tfjs-backend-cpu')
const { setWasmPaths } = require('@tensorflow/tfjs-backend-wasm')
setWasmPaths(`${dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json'))}/dist/`)

const seen = {}
for (const backend of ['cpu', 'wasm']) {
  await tf.setBackend(backend)
  await tf.ready()
  const list = async tensor => [...(await tensor.data())].join(' ')
  const cast = tf.cast(tf.tensor1d([0, 0.3, 0.9, 1, 2, 255, 256, 512]), 'bool')
  seen[backend] = {
    floats: await list(cast),
    integers: await list(tf.cast(tf.tensor1d([0, 1, 2, 256], 'int32'), 'bool')),
    sum: await list(tf.sum(cast)),
    not: await list(tf.logicalNot(cast)),
  }
}
console.log(seen)
const expected = {
  cpu: { floats: '0 1 1 1 1 1 1 1', integers: '0 1 1 1', sum: '7', not: '1 0 0 0 0 0 0 0' },
  wasm: { floats: '0 0 0 1 2 255 0 0', integers: '0 1 2 0', sum: '258', not: '1 1 1 0 3 254 1 1' },
}
process.exitCode = JSON.stringify(seen) === JSON.stringify(expected) ? 0 : 1
JS
node cast.mjs
