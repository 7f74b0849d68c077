import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    reporters: ['default', './scripts/vitest-reporter.mjs'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Two cores and native thread pools: more processes at once would only fight for them.
    maxWorkers: 2,
    // What is waited for comes; on a busy machine it comes later than in the second that is the default.
    expect: { poll: { timeout: 15_000 } },
  },
})
