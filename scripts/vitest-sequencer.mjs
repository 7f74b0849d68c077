import { BaseSequencer } from 'vitest/node'

/** Tests that take a minute and more, the longest first; those of other folders take less. */
const long = [
  'test/faults/fleet/processes', 'test/docs/readme', 'test/integration/fleet/runs', 'test/docs/', 'test/faults/fleet/', 'test/integration/fleet/', 'test/faults/',
  'test/conformance/training/', 'test/integration/dashboard/', 'test/integration/registry/', 'test/integration/train/', 'test/integration/run/',
]

/**
 * Begins with the files that take longest. In a fresh clone vitest knows no durations and takes the largest files first, but the longest
 * tests are short files that start many processes: begun last, one of them runs alone for minutes. Files in one place of the list keep
 * vitest's order.
 */
export default class LongestFirst extends BaseSequencer {
  /** @override @param {import('vitest/node').TestSpecification[]} files */
  async sort(files) {
    const rank = file => {
      const place = long.findIndex(part => file.moduleId.replaceAll('\\', '/').includes(`/${part}`))
      return place < 0 ? long.length : place
    }
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other))
  }
}
