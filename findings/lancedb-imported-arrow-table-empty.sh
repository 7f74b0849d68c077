#!/usr/bin/env bash
# LanceDB 0.30.0 and apache-arrow 18.1.0 in an ES module: createTable() and add() of an Arrow table that comes of `import` store no row, and
# say nothing.
#
# Expected: the rows. There is one apache-arrow in node_modules, and the client says that it takes Arrow tables, of other copies of the
# package too.
# Seen: `import` and `require` load two builds of that one package; LanceDB has the second. Of a table of three rows made by the first,
# createTable() makes a table with its columns and 0 rows, and add() adds none; one of tableFromArrays() is refused. Tables of the
# `require`d build, and plain objects, are stored.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @lancedb/lancedb@0.30.0 apache-arrow@18.1.0
[ "$(find . -path '*/apache-arrow/package.json' | wc -l)" = 1 ]

cat >store.mjs <<'JS'
import { createRequire } from 'node:module'
import { connect } from '@lancedb/lancedb'
import * as imported from 'apache-arrow'

const required = createRequire(import.meta.url)('apache-arrow')
const database = await connect('./database')
const seen = {}
for (const [way, { Table, vectorFromArray, tableFromArrays }] of Object.entries({ imported, required })) {
  const rows = new Table({ id: vectorFromArray([1, 2, 3]) })
  const created = await database.createTable(way, rows)
  const count = await created.countRows()
  await created.add(rows)
  const typed = await database.createTable(`${way}-typed`, tableFromArrays({ id: Int32Array.of(1, 2, 3) })).then(
    table => table.countRows(),
    () => 'refused',
  )
  const columns = (await created.schema()).fields.length
  seen[way] = { has: rows.numRows, columns, created: count, added: (await created.countRows()) - count, typed }
}
seen.objects = await (await database.createTable('objects', [{ id: 1 }, { id: 2 }, { id: 3 }])).countRows()
console.log(seen)
const expected = {
  imported: { has: 3, columns: 1, created: 0, added: 0, typed: 'refused' },
  required: { has: 3, columns: 1, created: 3, added: 3, typed: 3 },
  objects: 3,
}
process.exitCode = JSON.stringify(seen) === JSON.stringify(expected) ? 0 : 1
JS
node store.mjs 2>messages || { cat messages >&2; exit 1; }
