#!/usr/bin/env bash
# onnxruntime-web 1.30.0 (WebAssembly): a result that is asked for in a tensor of one's own is never written to it, and run() gives back
# that tensor as it was.
#
# Expected: `run(feeds, { y: tensor })` fills the tensor, as onnxruntime-node 1.30.0 does by the same interface, or is refused.
# Seen: no error; `y` has the numbers that it had before the run (zeros, in a new array). With `{ y: null }` or `['y']` it is right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts onnxruntime-web@1.30.0 onnxruntime-node@1.30.0

cat >outputs.mjs <<'JS'
import * as node from 'onnxruntime-node'
import * as web from 'onnxruntime-web'

// An ONNX file of one operator, y = x + x, as protocol buffers: field number, wire type, then the value or its length and bytes.
const field = (number, value) =>
  typeof value === 'number' ? [number << 3, value] : [(number << 3) | 2, value.length, ...value]
const text = (number, value) => field(number, [...Buffer.from(value)])
const value = name => [...text(1, name), ...field(2, field(1, [...field(1, 1), ...field(2, field(1, field(1, 4)))]))]
const add = [...text(1, 'x'), ...text(1, 'x'), ...text(2, 'y'), ...text(4, 'Add')]
const graph = [...field(1, add), ...text(2, 'sum'), ...field(11, value('x')), ...field(12, value('y'))]
const model = Uint8Array.from([...field(1, 8), ...field(7, graph), ...field(8, [...text(1, ''), ...field(2, 17)])])

const seen = {}
for (const [name, runtime] of Object.entries({ web, node })) {
  const session = await runtime.InferenceSession.create(model)
  const x = new runtime.Tensor('float32', Float32Array.of(1, 2, 3, 4), [4])
  const y = new runtime.Tensor('float32', new Float32Array(4).fill(-1), [4])
  const given = await session.run({ x }, { y })
  const named = await session.run({ x }, ['y'])
  const empty = await session.run({ x }, { y: null })
  seen[name] = [given, named, empty].map(({ y: result }) => result.data.join(' ')).concat(y.data.join(' '))
}
console.log(seen)
const expected = { web: ['-1 -1 -1 -1', '2 4 6 8', '2 4 6 8', '-1 -1 -1 -1'], node: Array(4).fill('2 4 6 8') }
process.exitCode = JSON.stringify(seen) === JSON.stringify(expected) ? 0 : 1
JS
node outputs.mjs
