#!/usr/bin/env bash
# sharp 0.35.5 (libvips 8.18.7): `kernel: 'nearest'` takes pixels that are pixels away from the middle of what they stand for.
#
# Expected: of 15 pixels that become 3, those in the middle of each five: 2, 7 and 12. Pillow 12.3.0's NEAREST takes them.
# Seen: 2, 6 and 12, so the distance between two of them is 4 and then 6. The picture is first thinned by a whole number, and the nearest
# pixel is looked for among those that are left: 1024 to 224 is off by up to 1.5 pixels, 4000 to 224 by more than 7. Where no thinning takes
# place (500 to 224) or the factor is a power of two or ten, all are within half a pixel. Maps of labels ask for this
# kernel.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund sharp@0.35.5
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pillow==12.3.0

cat >nearest.py <<'PY'
import sys
from PIL import Image

for sides in sys.argv[1:]:
    wide, narrow = map(int, sides.split('x'))
    row = Image.frombytes('RGB', (wide, 1), b''.join(bytes([x >> 8, x & 255, 0]) for x in range(wide)))
    taken = row.resize((narrow, 1), Image.Resampling.NEAREST)
    places = [red << 8 | green for red, green, _ in (taken.getpixel((x, 0)) for x in range(narrow))]
    print(max(abs(place + 0.5 - (x + 0.5) * wide / narrow) for x, place in enumerate(places)))
PY
cat >nearest.mjs <<'JS'
import { execFileSync } from 'node:child_process'
import sharp from 'sharp'

const sides = [[15, 3], [500, 224], [1000, 100], [1024, 224], [4000, 224]]
const pairs = sides.map(pair => pair.join('x'))
const pillow = execFileSync('venv/bin/python', ['nearest.py', ...pairs], { encoding: 'utf8' }).trim().split('\n')
const seen = []
for (const [i, [width, narrow]] of sides.entries()) {
  // Each pixel tells its own place.
  const row = Uint8Array.from({ length: width * 3 }, (_, at) => [Math.floor(at / 3) >> 8, Math.floor(at / 3) & 255, 0][at % 3])
  const pixels = await sharp(row, { raw: { width, height: 1, channels: 3 } })
    .resize(narrow, 1, { kernel: 'nearest', fit: 'fill' })
    .raw()
    .toBuffer()
  const places = Array.from({ length: narrow }, (_, x) => pixels[x * 3] * 256 + pixels[x * 3 + 1])
  const off = Math.max(...places.map((place, x) => Math.abs(place + 0.5 - ((x + 0.5) * width) / narrow)))
  const first = places.slice(0, 8).join(' ')
  console.log(`${width} to ${narrow}: ${first} ...; off by up to ${off.toFixed(2)} pixels, Pillow ${(+pillow[i]).toFixed(2)}`)
  seen.push(off, +pillow[i] <= 0.5 ? 'half' : 'more')
}
const [a, , b, , c, , d, , e] = seen
const same = a === 1 && b <= 0.5 && c <= 0.5 && d === 1.5 && e > 7 && !seen.includes('more')
process.exitCode = same ? 0 : 1
JS
node nearest.mjs
