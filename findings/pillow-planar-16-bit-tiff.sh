#!/usr/bin/env bash
# Pillow 12.3.0: an RGB TIFF of 16 bits whose channels are stored one behind the other (PlanarConfiguration 2), uncompressed, is read as if
# its samples had 8 bits: other colours, without an error or a warning.
#
# Expected: mode RGB with the upper eight bits of each sample, as Pillow gives for the same picture with its channels interleaved, and for
# the same planes with deflate, LZW or PackBits; or a refusal.
# Seen: both bytes of a sample become two pixels, and the second half of each plane is left away. tifffile, OpenCV and sharp read 109 from
# every pixel of a sample 28000 (0x6D60); Pillow reads 96 and 109 in turns.
#
# Needs Python 3 with venv.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 pillow==12.3.0 tifffile==2026.3.3 imagecodecs
npm init -y >/dev/null
npm install --silent --no-audit --no-fund sharp@0.35.5

cat >make.py <<'PY'
import numpy
import tifffile
from PIL import Image

# Left half 28000, right half 50400; all channels alike.
plane = numpy.full((8, 8), 28000, '<u2')
plane[:, 4:] = 50400
pixels = numpy.stack([plane] * 3, axis=-1)
seen = {}
for name, planar, compression in [
    ('interleaved', 'contig', None),
    ('planes', 'separate', None),
    ('planes, deflate', 'separate', 'zlib'),
    ('planes, LZW', 'separate', 'lzw'),
]:
    data = pixels if planar == 'contig' else pixels.transpose(2, 0, 1)
    tifffile.imwrite(f'{name}.tif', data, photometric='rgb', planarconfig=planar, compression=compression, byteorder='<')
    back = tifffile.imread(f'{name}.tif')
    assert numpy.array_equal(back if planar == 'contig' else back.transpose(1, 2, 0), pixels)
    with Image.open(f'{name}.tif') as image:
        seen[name] = image.mode, numpy.asarray(image)[0, :, 0].tolist()
        print(name, *seen[name])
right = 'RGB', [109] * 4 + [196] * 4
assert [seen[name] == right for name in seen] == [True, False, True, True], 'changed'
assert seen['planes'] == ('RGB', [96, 109] * 4)
PY
venv/bin/python make.py
node -e "
const sharp = require('sharp')
sharp('planes.tif').raw().toBuffer().then(pixels => {
  const row = Array.from({ length: 8 }, (_, x) => pixels[x * 3])
  console.log('sharp, planes', row.join(' '))
  process.exitCode = row.join() === '109,109,109,109,196,196,196,196' ? 0 : 1
})"
