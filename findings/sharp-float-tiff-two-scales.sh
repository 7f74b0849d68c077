#!/usr/bin/env bash
# sharp 0.35.5 (libvips 8.18.7): 32-bit float TIFF samples are read on two scales, by the number of channels. One channel is cut to whole
# numbers from 0 to 255; three are taken for linear light from 0 to 1 (scRGB) and given the curve of sRGB.
#
# Expected: one scale for both, as for 8 and 16 bits, where grey and RGB files of the same number decode to the same pixels.
# Seen: 0.25, 0.5, 1 and 2 become 0, 0, 1 and 2 as grey, and 137, 188, 255 and 255 as RGB. A grey file of values from 0 to 1, as
# scientific software writes them, is black to the eye; the same values as RGB are a brighter picture than value times 255 (64 and 128).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 tifffile==2026.3.3
npm init -y >/dev/null
npm install --silent --no-audit --no-fund sharp@0.35.5

cat >make.py <<'PY'
import numpy, tifffile
for value in 0.25, 0.5, 1, 2:
    tifffile.imwrite(f'grey-{value}.tif', numpy.full((8, 8), value, 'float32'), photometric='minisblack')
    tifffile.imwrite(f'rgb-{value}.tif', numpy.full((8, 8, 3), value, 'float32'), photometric='rgb')
PY
venv/bin/python make.py

cat >read.mjs <<'JS'
import sharp from 'sharp'

const read = async name => [...new Set(await sharp(name).raw().toBuffer())].join()
const seen = {}
for (const kind of ['grey', 'rgb']) {
  seen[kind] = []
  for (const value of ['0.25', '0.5', '1', '2']) seen[kind].push(await read(`${kind}-${value}.tif`))
}
console.log(seen)
process.exitCode = JSON.stringify(seen) === JSON.stringify({ grey: ['0', '0', '1', '2'], rgb: ['137', '188', '255', '255'] }) ? 0 : 1
JS
node read.mjs
