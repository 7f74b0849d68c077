/** Resizable buffers, which the library of types that is compiled against does not know yet. */
interface Resizable {
  resize(byteLength: number): void
}

/**
 * Memory for arrays that are large and short-lived. It comes from the system in whole pages and goes back as soon as it is given up, while
 * an ordinary array of some megabytes leaves a hole in the heap of the C library.
 */
export class Scratch implements Disposable {
  private readonly buffers: (ArrayBuffer & Resizable)[] = []

  /** A buffer of zeros. */
  buffer(bytes: number): ArrayBuffer {
    const make = ArrayBuffer as unknown as new (length: number, options: { maxByteLength: number }) => ArrayBuffer & Resizable
    const made = new make(bytes, { maxByteLength: bytes })
    this.buffers.push(made)
    return made
  }

  /** Gives all of it back: the arrays on it are empty from then on. */
  [Symbol.dispose](): void {
    for (const buffer of this.buffers.splice(0)) buffer.resize(0)
  }
}
