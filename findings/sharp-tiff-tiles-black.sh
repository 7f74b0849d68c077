#!/usr/bin/env bash
# sharp 0.35.5 (libvips 8.18.7, libtiff 4.7.2): a TIFF file whose TILES have a compression that the build lacks is decoded as black,
# without an error, at `failOn: 'error'`. The same compression in STRIPS is refused.
#
# Expected: an error for both, as `failOn: 'error'` names the errors of a decoder, and as strips have it.
# Seen: 16x16 grey pixels of 200 in Zstandard: strips reject with "ZSTD compression support is not configured"; tiles resolve with 256
# pixels of 0. Only sharp's default, `failOn: 'warning'`, refuses the tiles, and it refuses sound files with odd tags as well. Pillow
# 12.3.0, which has the codec, reads 200 from both files: they are valid.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund sharp@0.35.5
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pillow==12.3.0

cat >make.py <<'PY'
import struct

SIDE = 16
# A Zstandard frame (RFC 8878): magic, one segment whose size takes two bytes (256 is written as 0), one last block, stored as it is.
DATA = bytes([0x28, 0xB5, 0x2F, 0xFD, 0x60, 0, 0]) + (256 << 3 | 1).to_bytes(3, 'little') + bytes([200]) * 256
SHORT, LONG = 3, 4

def write(name, place):
    tags = [(256, LONG, SIDE), (257, LONG, SIDE), (258, SHORT, 8), (259, SHORT, 50000), (262, SHORT, 1), (277, SHORT, 1)] + place
    start = 8 + 2 + 12 * len(tags) + 4
    entries = b''
    for tag, kind, value in sorted(tags, key=lambda entry: entry[0]):
        entries += struct.pack('<HHII', tag, kind, 1, start if value is None else value)
    with open(name, 'wb') as file:
        file.write(struct.pack('<2sHIH', b'II', 42, 8, len(tags)) + entries + bytes(4) + DATA)

write('strips.tif', [(273, LONG, None), (278, LONG, SIDE), (279, LONG, len(DATA))])
write('tiles.tif', [(322, LONG, SIDE), (323, LONG, SIDE), (324, LONG, None), (325, LONG, len(DATA))])

from PIL import Image
for name in 'strips.tif', 'tiles.tif':
    assert Image.open(name).getextrema() == (200, 200), name
PY
venv/bin/python make.py

cat >read.mjs <<'JS'
import sharp from 'sharp'

const read = async (file, failOn) => {
  try {
    return [...new Set(await sharp(file, { failOn }).raw().toBuffer())].join()
  } catch (error) {
    return error.message.split('\n')[0]
  }
}
const seen = {
  'strips, error': await read('strips.tif', 'error'),
  'tiles, error': await read('tiles.tif', 'error'),
  'tiles, warning': await read('tiles.tif', 'warning'),
}
console.log(seen)
const refusal = 'tiff2vips: ZSTD compression support is not configured'
process.exitCode = seen['strips, error'] === refusal && seen['tiles, error'] === '0' && seen['tiles, warning'] === refusal ? 0 : 1
JS
node read.mjs
