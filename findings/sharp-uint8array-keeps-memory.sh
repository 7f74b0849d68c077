#!/usr/bin/env bash
# sharp 0.35.5 (libvips 8.18.7): pixels taken by toUint8Array() are never freed; those of toBuffer() are.
#
# Expected: both give memory back once nothing refers to the array and the collector has run. toUint8Array() is the one that may be handed
# to another thread, so it is what a pipeline of pictures would take.
# Seen: 300 pictures of 562,500 bytes each, a full collection behind each, leave the process 160 MB larger or more with toUint8Array(),
# and less than 80 MB with toBuffer(). process.memoryUsage().arrayBuffers says that they are gone in both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund sharp@0.35.5

cat >decode.mjs <<'JS'
import sharp from 'sharp'

sharp.cache(false)
sharp.concurrency(1)
const [way] = process.argv.slice(2)
const picture = await sharp({ create: { width: 500, height: 375, channels: 3, background: '#345' } }).jpeg().toBuffer()
const decode = async () => {
  const pipeline = sharp(picture).raw()
  const { data } = way === 'toBuffer' ? await pipeline.toBuffer({ resolveWithObject: true }) : await pipeline.toUint8Array()
  return data.length
}
const many = async count => {
  for (let i = 0; i < count; i++) {
    await decode()
    global.gc()
  }
}
await many(50)
const before = process.memoryUsage()
await many(300)
const after = process.memoryUsage()
const megabytes = bytes => Math.round(bytes / 1e6)
console.log(JSON.stringify({ way, grown: megabytes(after.rss - before.rss), arrays: megabytes(after.arrayBuffers - before.arrayBuffers) }))
JS
for way in toBuffer toUint8Array; do node --expose-gc decode.mjs "$way" | tee "$way.json"; done
node -e "
const [kept, lost] = ['toBuffer', 'toUint8Array'].map(way => JSON.parse(require('node:fs').readFileSync(way + '.json', 'utf8')))
process.exitCode = kept.grown < 80 && lost.grown >= 160 && lost.arrays < 20 ? 0 : 1
"
