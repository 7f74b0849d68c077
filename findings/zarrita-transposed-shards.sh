#!/usr/bin/env bash
# zarrita 0.7.5 (Zarr 3 in JavaScript): arrays whose shards are transposed are read with numbers at other places, and a fill value that is
# written as bits (0x7fc00001) is read as a whole number.
#
# Expected: the array, or a refusal, as other codecs that it lacks have one. Both are in the specification: codecs may stand before
# sharding_indexed, and a NaN that is not the usual one is written by its bits.
# Seen: an array of 8x8 that TensorStore 0.1.85 writes and reads as 0, 1, 2, ... begins with 0, 8, 16, 24, 2, 10 in zarrita, which gives it
# the strides of an array that is not transposed; the transposition within the shards, and one without shards, are right. Where a chunk
# is missing, the fill value 0x7fc00001 of float32 becomes 2143289344 instead of NaN.
#
# Needs Python 3 with venv.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check tensorstore==0.1.85 numpy==2.4.6
npm init -y >/dev/null
npm install --silent --no-audit --no-fund zarrita@0.7.5 @zarrita/storage@0.2.0

cat >write.py <<'PY'
import numpy
import tensorstore

numbers = numpy.arange(64, dtype=numpy.float32).reshape(8, 8)
little = {'name': 'bytes', 'configuration': {'endian': 'little'}}
turn = {'name': 'transpose', 'configuration': {'order': [1, 0]}}


def shards(inner, codecs):
    index = [little, {'name': 'crc32c'}]
    return {'name': 'sharding_indexed', 'configuration': {'chunk_shape': inner, 'codecs': codecs, 'index_codecs': index}}


def write(name, chunk, codecs, fill=0.0):
    grid = {'name': 'regular', 'configuration': {'chunk_shape': chunk}}
    metadata = {'shape': [8, 8], 'data_type': 'float32', 'chunk_grid': grid, 'codecs': codecs, 'fill_value': fill}
    spec = {'driver': 'zarr3', 'kvstore': {'driver': 'file', 'path': name}}
    return tensorstore.open({**spec, 'metadata': metadata}, create=True).result()


for name, chunk, codecs in [
    ('plain', [4, 8], [little]),
    ('turned', [4, 8], [turn, little]),
    ('shards', [4, 8], [shards([2, 4], [little])]),
    ('turned-within', [4, 8], [shards([2, 4], [turn, little])]),
    ('turned-shards', [4, 8], [turn, shards([2, 4], [little])]),
]:
    array = write(name, chunk, codecs)
    array[...] = numbers
    assert numpy.array_equal(array.read().result(), numbers)
for name, fill in ('fill-name', 'NaN'), ('fill-bits', '0x7fc00001'):
    assert numpy.isnan(write(name, [4, 8], [little], fill).read().result()).all()
PY
venv/bin/python write.py

cat >read.mjs <<'JS'
import { FileSystemStore } from '@zarrita/storage'
import { get, open } from 'zarrita'

const seen = {}
for (const name of ['plain', 'turned', 'shards', 'turned-within', 'turned-shards', 'fill-name', 'fill-bits']) {
  const { data, stride } = await get(await open(new FileSystemStore(name), { kind: 'array' }))
  // Rows one behind the other, whatever the strides are.
  seen[name] = Array.from({ length: 64 }, (_, i) => data[Math.floor(i / 8) * stride[0] + (i % 8) * stride[1]])
  console.log(name, seen[name].slice(0, 10).join(' '))
}
const right = name => seen[name].every((value, i) => value === i)
const same =
  ['plain', 'turned', 'shards', 'turned-within'].every(right) &&
  seen['turned-shards'].slice(0, 6).join() === '0,8,16,24,2,10' &&
  seen['turned-shards'].toSorted((a, b) => a - b).every((value, i) => value === i) &&
  seen['fill-name'].every(Number.isNaN) &&
  seen['fill-bits'].every(value => value === Math.fround(0x7fc00001))
process.exitCode = same ? 0 : 1
JS
node read.mjs
