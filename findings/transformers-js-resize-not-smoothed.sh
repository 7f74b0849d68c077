#!/usr/bin/env bash
# @huggingface/transformers 4.3.2 (transformers.js) in Node.js: image processors shrink pictures without smoothing for `resample` 2 and 3
# (bilinear, bicubic), so that pixels in between have no part in the result.
#
# Expected: the pixel values of the Python processors of the same configuration, which take Pillow's filters of these names (or those of
# torchvision with antialiasing): columns in turns black and white, halved, are grey.
# Seen: they become black, all of them, by ViTImageProcessor at 448 to 224 pixels, and at 112 as well; at 149 stripes of 34 and 219 are
# left where Pillow has 117 to 138. Behind both names is an affine map of libvips, which looks at the nearest pixels only; Lanczos
# (`resample` 1) smooths.
#
# Needs Python 3 with venv.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @huggingface/transformers@4.3.2
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pillow==12.3.0

cat >pillow.py <<'PY'
import json
import sys
from PIL import Image

stripes = Image.frombytes('L', (448, 448), bytes([0, 255] * 224 * 448))
side, resample = map(int, sys.argv[1:])
small = stripes.resize((side, side), resample)
print(json.dumps([small.getpixel((x, side // 2)) for x in range(side)]))
PY
cat >shrink.mjs <<'JS'
import { execFileSync } from 'node:child_process'
import { RawImage, ViTImageProcessor } from '@huggingface/transformers'

const stripes = new RawImage(Uint8ClampedArray.from({ length: 448 * 448 * 3 }, (_, i) => (Math.floor(i / 3) % 2) * 255), 448, 448, 3)
/** Lowest and highest value of a row in the middle, far from its ends. */
const range = row => [Math.min(...row.slice(20, -20)), Math.max(...row.slice(20, -20))]
const seen = {}
for (const [side, resample] of [[224, 2], [224, 3], [112, 2], [149, 2], [224, 1]]) {
  const processor = new ViTImageProcessor({
    size: { height: side, width: side }, resample, do_resize: true, do_rescale: true, rescale_factor: 1 / 255, do_normalize: false,
    image_mean: [0, 0, 0], image_std: [1, 1, 1],
  })
  const { pixel_values: values } = await processor(stripes)
  const at = Math.floor(side / 2) * side
  const row = Array.from(values.data.slice(at, at + side), value => Math.round(value * 255))
  const pillow = JSON.parse(execFileSync('venv/bin/python', ['pillow.py', side, resample].map(String), { encoding: 'utf8' }))
  seen[`${side}, ${resample}`] = { here: range(row), pillow: range(pillow) }
}
console.log(seen)
const near = ([low, high]) => low > 100 && high < 156
const right = Object.values(seen).every(({ pillow }) => near(pillow)) && near(seen['224, 1'].here)
const black = ['224, 2', '224, 3', '112, 2'].every(name => seen[name].here.join() === '0,0')
const [low, high] = seen['149, 2'].here
process.exitCode = right && black && low < 50 && high > 200 ? 0 : 1
JS
node shrink.mjs
