#!/usr/bin/env -S MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=1048576 MALLOC_TRIM_THRESHOLD_=16777216 node
// Two heaps of the C library, not one a thread (0217), and blocks over 1 MiB mapped by themselves (0229): freed memory goes back.
// The version is asked for by scripts and completions, often: one file is read, and no module loaded.
const [asked, ...more] = process.argv.slice(2)
if ((asked === '--version' || asked === '-V') && more.length === 0) {
  const { readFileSync } = await import('node:fs')
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  process.stdout.write(`${JSON.parse(manifest).version}\n`)
} else {
  await import('../dist/main.js')
}
