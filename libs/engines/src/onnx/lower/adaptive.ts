/**
 * The averaging matrix [parts, length], transposed where asked for, of adaptive average pooling along one axis: row i holds 1/n at
 * the n cells from floor(i * length / parts) to ceil((i + 1) * length / parts).
 */
export function averagingMatrix(parts: number, length: number, transposed: boolean): Float32Array {
  const matrix = new Float32Array(parts * length)
  for (let part = 0; part < parts; part++) {
    const start = Math.floor((part * length) / parts)
    const end = Math.ceil(((part + 1) * length) / parts)
    for (let cell = start; cell < end; cell++) matrix[transposed ? cell * parts + part : part * length + cell] = 1 / (end - start)
  }
  return matrix
}
