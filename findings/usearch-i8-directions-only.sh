#!/usr/bin/env bash
# usearch 2.26.2: an index of 8-bit numbers (`quantization: 'i8'`) keeps directions only, with the Euclidean and the inner metric too.
#
# Expected: distances of the vectors, coarser; or an error for metrics and numbers that 8 bits cannot carry. f32 and f16 give distances.
# Seen: each vector is given the length 127 when it is added and when it is asked for, so with `metric: 'l2sq'` (1, 0), (10, 0) and
# (100, 0) are all at distance 0 of a query of (10, 0), and with 'ip' all three have the same product. What is told is a distance of unit
# vectors times 127 squared: 32258 for a right angle.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund usearch@2.26.2

cat >lengths.mjs <<'JS'
import usearch from 'usearch'

const rows = [[1, 0], [10, 0], [100, 0], [0, 10]]
/** Distances of a query of (10, 0), in the order of the rows. */
function distances(metric, quantization) {
  const index = new usearch.Index({ metric, quantization, dimensions: 2 })
  rows.forEach((row, key) => index.add(BigInt(key), Float32Array.from(row)))
  const found = index.search(Float32Array.of(10, 0), rows.length, 1)
  const byRow = []
  found.keys.forEach((key, place) => { byRow[Number(key)] = found.distances[place] })
  return byRow
}
let same = true
for (const metric of ['l2sq', 'ip']) {
  for (const quantization of ['f32', 'f16', 'i8']) {
    const seen = distances(metric, quantization)
    console.log(metric, quantization, seen)
    const exact = rows.map(([x, y]) => (metric === 'l2sq' ? (x - 10) ** 2 + y ** 2 : 1 - 10 * x))
    if (quantization === 'i8') same &&= seen[0] === seen[1] && seen[1] === seen[2] && seen[3] > seen[2]
    else same &&= seen.join() === exact.join()
  }
}
same &&= distances('l2sq', 'i8').join() === '0,0,0,32258'
process.exitCode = same ? 0 : 1
JS
node lengths.mjs
