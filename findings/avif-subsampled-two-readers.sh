#!/usr/bin/env bash
# AVIF with colour at half the width and height (4:2:0, what writers take by default): Pillow 12.3.0 (libavif 1.4.2) and sharp 0.35.5
# (libheif in libvips 8.18.7) decode one file to colours that are up to 60 levels and more apart.
#
# Expected: decoders of one video frame, which is the same bits in both, differ by a level or two, as they do on JPEG and WebP with colour
# at half size (not at all here) and on AVIF with whole colour (one level at most).
# Seen: on stripes of four pixels more than half of all numbers are more than two levels apart, up to 68: libavif blends
# neighbouring colours when it makes them larger again, libheif repeats them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 pillow==12.3.0
npm init -y >/dev/null
npm install --silent --no-audit --no-fund sharp@0.35.5

cat >make.py <<'PY'
import numpy
from PIL import Image

y, x = numpy.mgrid[0:64, 0:64]
stripes = numpy.stack([numpy.where(x // 4 % 2, 255, 0), numpy.where(y // 4 % 2, 200, 40), numpy.full_like(x, 120)], -1)
picture = Image.fromarray(stripes.astype('uint8'))
picture.save('half.avif', quality=90, subsampling='4:2:0')
picture.save('whole.avif', quality=90, subsampling='4:4:4')
picture.save('half.webp', quality=90)
picture.save('half.jpg', quality=90, subsampling='4:2:0')
for name in 'half.avif', 'whole.avif', 'half.webp', 'half.jpg':
    with Image.open(name) as image, open(f'{name}.rgb', 'wb') as file:
        file.write(image.convert('RGB').tobytes())
PY
venv/bin/python make.py

cat >compare.mjs <<'JS'
import { readFileSync } from 'node:fs'
import sharp from 'sharp'

const seen = {}
for (const name of ['half.avif', 'whole.avif', 'half.webp', 'half.jpg']) {
  const pillow = readFileSync(`${name}.rgb`)
  const pixels = await sharp(name).raw().toBuffer()
  const apart = [...pillow].map((value, i) => Math.abs(value - pixels[i]))
  seen[name] = { most: Math.max(...apart), moreThanTwo: apart.filter(levels => levels > 2).length / apart.length }
}
console.log(seen)
const { 'half.avif': half, 'whole.avif': whole, 'half.webp': webp, 'half.jpg': jpeg } = seen
process.exitCode = half.most >= 60 && half.moreThanTwo > 0.5 && [whole, webp, jpeg].every(({ most }) => most <= 1) ? 0 : 1
JS
node compare.mjs
