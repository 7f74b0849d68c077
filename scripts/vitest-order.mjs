import path from 'node:path'
import { BaseSequencer } from 'vitest/node'

/**
 * Test files that take longest come first, so that at the end none runs while other processors have nothing to do. Those of the project
 * `alone` stay together, as a process of the other project goes on with the next file only where that is of its project too.
 */
const first = [
  'test/integration/engines/webgpu.test.ts',
  'libs/engines/src/tfjs/engine.test.ts',
  'test/conformance/training/',
  'test/conformance/networks.test.ts',
  'test/conformance/same-bits.test.ts',
  'test/integration/storage/s3-access.test.ts',
  'test/conformance/',
  'libs/engines/',
]
const then = ['test/faults/', 'test/docs/', 'test/integration/dashboard/', 'test/integration/fleet/', 'test/integration/', 'apps/', 'libs/']

/** @param {import('vitest/node').TestSpecification} specification */
function rank({ moduleId, project }) {
  const file = path.relative(project.vitest.config.root, moduleId)
  const list = project.name === 'alone' ? first : then
  const at = list.findIndex(start => file.startsWith(start))
  return (project.name === 'alone' ? 0 : 100) + (at < 0 ? list.length : at)
}

export default class LongestFirst extends BaseSequencer {
  /** @param {import('vitest/node').TestSpecification[]} files */
  async sort(files) {
    // Files that failed the last time, then those that took longest, as vitest remembers it; else the largest one.
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => rank(a) - rank(b))
  }
}
