/** Bytes of an image's file where nothing is said: 512 MiB. */
const defaultMaxBytes = 512 * 2 ** 20
/** Seconds that one image may take to decode where nothing is said. */
const defaultImageTimeout = 60

/** Limits of memory and time for one image. */
export interface ImageLimits {
  /** Bytes of its file. */
  readonly maxBytes: number
  /** Milliseconds of its decoding. */
  readonly timeoutMs: number
}

/** A spec's limits, in bytes and seconds, with the defaults. */
export function imageLimits({
  maxBytes,
  imageTimeout,
}: {
  readonly maxBytes?: number | undefined
  readonly imageTimeout?: number | undefined
}): ImageLimits {
  return { maxBytes: maxBytes ?? defaultMaxBytes, timeoutMs: (imageTimeout ?? defaultImageTimeout) * 1000 }
}
