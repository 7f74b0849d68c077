import { createRequire } from 'node:module'
import type { NeighbourIndex, OpenNeighbourIndex } from '@layermill/analysis'
import { errorMessage, LayermillError } from '@layermill/core'

const require = createRequire(import.meta.url)

const installCommand = 'npm install usearch@2.26.2'

/** The part of usearch that is used; it is an optional package. */
interface UsearchModule {
  readonly default: {
    readonly Index: new (config: object) => {
      add(keys: BigUint64Array, rows: Float32Array, threads: number): void
      search(rows: Float32Array, count: number, threads: number): { keys: BigUint64Array; distances: Float32Array; counts?: BigUint64Array }
    }
  }
}

const threads = 1
/** Links of a vector, and candidates that are looked at as it is added and as it is searched for. */
const settings = { connectivity: 16, expansion_add: 96, expansion_search: 96 }

/**
 * Loads usearch: HNSW over vectors in half precision. One thread adds vectors, so that the same rows give the same index, and searches for
 * them: usearch makes room for as many threads as the last growth had.
 * @throws LayermillError `CLIENT_MISSING` with the command that installs it
 */
export function loadNeighbourIndex(): OpenNeighbourIndex {
  let loaded: UsearchModule
  try {
    loaded = require('usearch') as UsearchModule
  } catch (cause) {
    throw new LayermillError('CLIENT_MISSING', `--neighbours index: usearch does not load: ${errorMessage(cause).split('\n')[0]}`, {
      hint: `install it beside layermill: ${installCommand}`,
      cause,
    })
  }
  return (columns): NeighbourIndex => {
    const index = new loaded.default.Index({ dimensions: columns, metric: 'l2sq', quantization: 'f16', multi: false, ...settings })
    return {
      add(start, rows) {
        index.add(
          BigUint64Array.from({ length: rows.length / columns }, (_, i) => BigInt(start + i)),
          rows,
          threads,
        )
      },
      search(rows, count) {
        const { keys, distances, counts } = index.search(rows, count, threads)
        // Of one row there are as many places as were found.
        return { places: keys, squares: distances, found: counts ?? BigUint64Array.of(BigInt(keys.length)) }
      },
    }
  }
}
