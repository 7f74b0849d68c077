/**
 * Sets how libvips, which sharp is built on, uses the process: `threads` for each picture (default 1, right where many pictures are
 * decoded at once) and no cache of results. It holds for the whole process, so applications call it once, libraries never.
 *
 * Pictures are decoded in libuv's pool, so `UV_THREADPOOL_SIZE` (default 4; read when the pool is first used, so set it before the
 * process starts) is how many are decoded at a time. File reads and DNS share the pool.
 */
export async function configureDecoding(options: { threads?: number } = {}): Promise<void> {
  const { default: sharp } = await import('sharp')
  sharp.concurrency(options.threads ?? 1)
  sharp.cache(false)
}
