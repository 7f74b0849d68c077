/** All text that was written to a stream and not read yet: Node.js 26 gives one write at a time. */
export function written(stream: { read(): string | Buffer | null }): string {
  let text = ''
  for (let piece = stream.read(); piece !== null; piece = stream.read()) text += piece.toString()
  return text
}
