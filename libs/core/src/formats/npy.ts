/** The first bytes of every `.npy` array. */
export const npyMark = '\x93NUMPY'

/**
 * The header of a `.npy` array in C order, version 1.0: padded with spaces and a line's end, so that the data begin at a multiple of 64.
 *
 * @param descr NumPy's name of the type, as `<f4`
 * @param shape of the array; empty for a scalar
 * @param bytes length of the header where it is known before
 */
export function npyHeader(descr: string, shape: readonly number[], bytes?: number): Buffer {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  const dictionary = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`
  const header = Buffer.alloc(bytes ?? Math.ceil((10 + dictionary.length + 1) / 64) * 64, ' ')
  header.write(`${npyMark}\x01\x00`, 'latin1')
  header.writeUInt16LE(header.length - 10, 8)
  header.write(dictionary, 10, 'latin1')
  header.write('\n', header.length - 1)
  return header
}

/** The places of a header's dictionary and of the data behind it, by the first 12 bytes; undefined where these are no array's. */
export function npyPlaces(first: Buffer): { readonly major: number; readonly dictionary: number; readonly data: number } | undefined {
  if (first.length < 12 || first.toString('latin1', 0, 6) !== npyMark) return undefined
  const major = first[6]!
  const dictionary = major === 1 ? 10 : 12
  return { major, dictionary, data: dictionary + (major === 1 ? first.readUInt16LE(8) : first.readUInt32LE(8)) }
}
