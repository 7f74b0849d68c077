#!/usr/bin/env bash
# safetensors 0.8.0 (Python, NumPy): arrays in Fortran's order are saved in the order of their memory, with the shape that they have.
#
# Expected: the numbers at their places, as numpy.save() stores them, or an error, as safetensors.torch raises for tensors that are not
# contiguous.
# Seen: save() and save_file() write a transposed matrix as its rows before it was transposed, without a word: [[0, 3], [1, 4], [2, 5]] is
# read back as [[0, 1], [2, 3], [4, 5]]. The bytes are those of the matrix that was transposed, under another shape. Weights that are
# transposed on the way from one framework to another, and components of scikit-learn's PCA, have this order.
#
# Needs Python 3 with venv.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6

cat >save.py <<'PY'
import json
import sys

import numpy
from safetensors.numpy import load, load_file, save, save_file

matrix = numpy.arange(6, dtype=numpy.float32).reshape(2, 3)
seen = {}
for name, array in {'plain': matrix, 'transposed': matrix.T, 'copied': numpy.ascontiguousarray(matrix.T)}.items():
    save_file({'weight': array}, 'file')
    numpy.save('file.npy', array)
    assert numpy.array_equal(numpy.load('file.npy'), array)
    read, again = load_file('file')['weight'], load(save({'weight': array}))['weight']
    assert read.shape == array.shape and numpy.array_equal(read, again)
    seen[name] = bool(numpy.array_equal(read, array))
    if name == 'transposed':
        seen['read'] = read.astype(int).tolist()
print(json.dumps(seen))
sys.exit(0 if seen == {'plain': True, 'transposed': False, 'read': [[0, 1], [2, 3], [4, 5]], 'copied': True} else 1)
PY
venv/bin/python save.py
