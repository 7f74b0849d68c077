#!/usr/bin/env bash
# apache-arrow 18.1.0 (JavaScript): a column of vectors (FixedSizeList) whose last row is null is written one vector short.
#
# Expected: a valid file: the format wants room for every row, null or not, and a null elsewhere in the column has it.
# Seen: of [1, 2], [3, 4], null there are four numbers in memory and in the file of tableToIPC(), where six belong. The package itself and
# pyarrow 25.0.1 read it without a word; pyarrow's validate(full=True) and combine_chunks() of two such tables, and Polars 1.44.2, refuse
# it. With the null in the middle all of them take it.
#
# Needs Python 3 with venv.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund apache-arrow@18.1.0
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyarrow==25.0.1 polars==1.44.2

cat >write.mjs <<'JS'
import { writeFileSync } from 'node:fs'
import { Field, FixedSizeList, Float32, Table, tableToIPC, vectorFromArray } from 'apache-arrow'

const type = new FixedSizeList(2, new Field('item', new Float32(), true))
for (const [name, rows] of Object.entries({ middle: [[1, 2], null, [3, 4]], last: [[1, 2], [3, 4], null] })) {
  const vector = vectorFromArray(rows, type)
  console.log(name, 'in memory', vector.data[0].children[0].length)
  writeFileSync(`${name}.arrow`, tableToIPC(new Table({ vector }), 'file'))
}
JS
node write.mjs

cat >read.py <<'PY'
import polars
import pyarrow

def refused(action):
    try:
        action()
    except (pyarrow.ArrowException, polars.exceptions.PolarsError) as error:
        return str(error)[:90]

seen = {}
for name in 'middle', 'last':
    table = pyarrow.ipc.open_file(f'{name}.arrow').read_all()
    rows = table['vector'].to_pylist()
    joined = pyarrow.concat_tables([table, table])
    actions = lambda: table.validate(full=True), joined.combine_chunks, lambda: polars.read_ipc(f'{name}.arrow')
    seen[name] = rows, *map(refused, actions)
    print(name, *seen[name], sep='\n  ')
assert seen['middle'] == ([[1, 2], None, [3, 4]], None, None, None), 'changed'
rows, *refusals = seen['last']
assert rows == [[1, 2], [3, 4], None] and all(refusals), 'changed'
PY
venv/bin/python read.py
