/** Settings of libvips for this process, once somebody has made some. */
let configured: { readonly threads: number } | undefined

/**
 * Sets how libvips, which sharp is built on, uses the process: `threads` for each picture (default 1, right where many pictures are
 * decoded at once) and no cache of results. It holds for the whole process, so applications call it once, libraries never. It is done
 * when the first picture is decoded, since loading libvips takes a tenth of a second.
 *
 * Pictures are decoded in libuv's pool, so `UV_THREADPOOL_SIZE` (default 4; read when the pool is first used, so set it before the
 * process starts) is how many are decoded at a time. File reads and DNS share the pool.
 */
export function configureDecoding(options: { threads?: number } = {}): void {
  configured = { threads: options.threads ?? 1 }
}

/** libvips, loaded with the first picture and set as the application wants it. */
export async function loadSharp(): Promise<typeof import('sharp').default> {
  const { default: sharp } = await import('sharp')
  if (configured !== undefined) {
    sharp.concurrency(configured.threads)
    sharp.cache(false)
    configured = undefined
  }
  return sharp
}
