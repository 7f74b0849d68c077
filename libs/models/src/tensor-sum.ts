import { setImmediate } from 'node:timers/promises'

/** Elements between two breaths of the event loop: one or two milliseconds. */
const CHUNK = 1 << 20

/**
 * Calls `work` for ranges that make up all of the arrays, in order. The event loop turns every 2^20 elements, however many arrays they are in.
 * @param lengths of the arrays
 * @param work takes about a nanosecond for each element from `start` to `end` of array number `index`
 */
export async function inChunks(lengths: readonly number[], work: (index: number, start: number, end: number) => void): Promise<void> {
  let room = CHUNK
  for (const [index, length] of lengths.entries()) {
    for (let start = 0; start < length; ) {
      const end = Math.min(length, start + room)
      work(index, start, end)
      room -= end - start
      start = end
      if (room > 0) continue
      await setImmediate()
      room = CHUNK
    }
  }
}

function addRange(target: Float32Array, values: Float32Array, start: number, end: number): void {
  for (let i = start; i < end; i++) target[i]! += values[i]!
}

/** Adds arrays to others of the same lengths in place, element by element, in float32. The event loop turns now and then. */
export async function addArrays(targets: readonly Float32Array[], values: readonly Float32Array[]): Promise<void> {
  await inChunks(values.map(({ length }) => length), (index, start, end) => addRange(targets[index]!, values[index]!, start, end))
}
