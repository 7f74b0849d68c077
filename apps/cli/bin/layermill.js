#!/usr/bin/env -S MALLOC_ARENA_MAX=2 node
// Two heaps of the C library instead of one for each thread: the holes in each add up to some 100 MiB where all layers are extracted (0217).
// The version is asked for by scripts and completions, often: one file is read, and no module loaded.
const [asked, ...more] = process.argv.slice(2)
if ((asked === '--version' || asked === '-V') && more.length === 0) {
  const { readFileSync } = await import('node:fs')
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  process.stdout.write(`${JSON.parse(manifest).version}\n`)
} else {
  await import('../dist/main.js')
}
