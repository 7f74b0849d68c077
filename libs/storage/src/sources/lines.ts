import { LayermillError } from '@layermill/core'

/** No path is this long; a file without line ends is not a list. */
const longestLine = 1024 * 1024

/** Lines of UTF-8 text as they come, without their ends and a leading byte order mark. `\n` and `\r\n` end a line, nothing else does. */
export async function* textLines(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  let line = 0
  const decode = (chunk?: Uint8Array): string => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true })
    } catch (error) {
      throw new LayermillError('LIST_INVALID', `${name}: not UTF-8 text near line ${line + 1}`, { cause: error })
    }
  }
  for await (const chunk of chunks) {
    const parts = (rest + decode(chunk)).split('\n')
    rest = parts.pop() ?? ''
    if (rest.length > longestLine) throw new LayermillError('LIST_INVALID', `${name}: line ${line + parts.length + 1} is over 1 MiB long`)
    for (const part of parts) {
      line++
      yield part.endsWith('\r') ? part.slice(0, -1) : part
    }
  }
  rest += decode()
  if (rest !== '') yield rest.endsWith('\r') ? rest.slice(0, -1) : rest
}
