import { afterEach, expect, it, vi } from 'vitest'
import { decodeImage } from './decode.js'

afterEach(() => {
  vi.restoreAllMocks()
})

/** A picture that is decoded in this thread, which looks at the clock after every row. */
const picture = new TextEncoder().encode(`P3\n2 2\n255\n${'1 2 3\n'.repeat(4)}`)

/** Lets the clock jump once, as it does for a process that is stopped and goes on. */
function stopFor(milliseconds: number): void {
  const now = performance.now.bind(performance)
  let calls = 0
  vi.spyOn(performance, 'now').mockImplementation(() => now() + (++calls > 4 ? milliseconds : 0))
}

it('gives a picture its time again where the process stood still', async () => {
  stopFor(600_000)
  expect(await decodeImage(picture, { timeoutMs: 1000 })).toMatchObject({ width: 2, height: 2 })
})

it('does not where a picture takes too long by itself', async () => {
  stopFor(3000)
  await expect(decodeImage(picture, { timeoutMs: 1000 })).rejects.toMatchObject({ code: 'IMAGE_TIMEOUT' })
})
