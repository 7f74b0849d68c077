import { defineConfig } from 'vitest/config'
import LongestFirst from './scripts/vitest-order.mjs'

const exclude = ['**/node_modules/**', '**/dist/**']

/** Tests that need a process of their own for each file: they measure or end threads of it, load native runtimes, or replace a module. */
const alone = [
  'test/conformance/**/*.test.ts',
  'test/integration/engines/*.test.ts',
  'test/integration/jobs/redis.test.ts',
  'test/integration/storage/s3-access.test.ts',
  'libs/engines/**/*.test.ts',
  'libs/storage/src/files/full-disk.test.ts',
  'apps/cli/src/commands/models/check-action.test.ts',
  'apps/cli/src/run/ended-run.test.ts',
]

export default defineConfig({
  test: {
    reporters: ['default', './scripts/vitest-reporter.mjs'],
    sequence: { sequencer: LongestFirst },
    setupFiles: ['./scripts/vitest-file.mjs'],
    // Only what a failed test wrote: files made to be refused make libraries write pages.
    silent: 'passed-only',
    slowTestThreshold: 2000,
    // No test takes a tenth of it on two idle cores; beside eight busy processes, and on slow disks, each takes ten times as long.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // On two cores: the third has work while one waits for a lock to expire or a server to start.
    maxWorkers: 3,
    // Conditions that are polled come true: this limit is met only where one does not.
    expect: { poll: { timeout: 120_000 } },
    projects: [
      { extends: true, test: { name: 'alone', include: alone, exclude } },
      // Most of a small file's time went into a process that loads the same modules again. What a file replaces or sets it takes back.
      {
        extends: true,
        test: {
          name: 'together',
          include: ['**/*.test.ts'],
          exclude: [...exclude, ...alone],
          isolate: false,
          // A process lives for a hundred files: a larger space for new objects spares it collections.
          execArgv: ['--liftoff-only', '--min-semi-space-size=16', '--max-semi-space-size=64'],
        },
      },
    ],
  },
})
