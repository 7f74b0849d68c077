#!/usr/bin/env bash
# LanceDB 0.30.0: an exhaustive search by cosine leaves vectors of zeros out, and a query of zeros finds nothing, without a word.
#
# Expected: without an index and with a limit above the number of rows, all rows come back, those without a direction last (distance 1 or
# NaN); or an error for the query. Features behind a ReLU are all zero for some pictures.
# Seen: 4 of 5 rows by cosine, all 5 by 'l2' and 'dot'; no row at all for the query of zeros. The row is there: a filter finds it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @lancedb/lancedb@0.30.0 apache-arrow@18.1.0

cat >search.mjs <<'JS'
import { connect } from '@lancedb/lancedb'

const database = await connect('./database')
const rows = [[1, 0], [0, 0], [0, 1], [-1, 0], [1, 1]].map((vector, id) => ({ id, vector }))
const table = await database.createTable('features', rows)
const search = async (vector, metric) =>
  (await table.vectorSearch(vector).distanceType(metric).limit(100).toArray()).map(row => row.id).sort().join()
const seen = {
  cosine: await search([1, 0], 'cosine'),
  l2: await search([1, 0], 'l2'),
  dot: await search([1, 0], 'dot'),
  'query of zeros, cosine': await search([0, 0], 'cosine'),
  'query of zeros, l2': await search([0, 0], 'l2'),
  filter: (await table.query().where('id = 1').toArray()).map(row => [...row.vector].join(' ')).join(),
}
console.log(seen)
const expected = ['0,2,3,4', '0,1,2,3,4', '0,1,2,3,4', '', '0,1,2,3,4', '0 0']
process.exitCode = JSON.stringify(Object.values(seen)) === JSON.stringify(expected) ? 0 : 1
JS
node search.mjs 2>messages || { cat messages >&2; exit 1; }
