import { LayermillError } from '../errors/errors.js'

/** Deepest nesting of objects and lists in a spec or a request. A spec has three. */
export const mostNesting = 32
/** Bytes of a spec's file: a thousand times what people write, and little to parse. */
export const mostSpecBytes = 1_048_576

/** Whether brackets nest deeper than `most` in a JSON text. Takes one pass; brackets inside of strings do not count. */
export function nestsDeeper(text: string, most: number = mostNesting): boolean {
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22:
        i = endOfString(text, i)
        break
      case 0x5b:
      case 0x7b:
        depth++
        break
      case 0x5d:
      case 0x7d:
        depth--
        break
      default:
    }
    if (depth > most) return true
  }
  return false
}

/** Index of the quote that ends the string at `start`, or of the text's end. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x5c) i++
    else if (code === 0x22) return i
  }
  return text.length
}

/**
 * Whether a YAML text may nest deeper than `most`, without parsing it: by brackets, by list marks in one line, or by indentation. A quoted
 * text is not told apart, so that one of very many opening brackets is refused as well.
 */
function yamlNestsDeeper(text: string, most: number): boolean {
  let depth = 0
  for (const character of text) {
    if (character === '[' || character === '{') depth++
    else if (character === ']' || character === '}') depth = Math.max(0, depth - 1)
    if (depth > most) return true
  }
  const indents: number[] = []
  for (const line of text.split('\n')) {
    const marks = /^[ ]*(?:[-?:][ ]+)*/.exec(line)?.[0] ?? ''
    if (line.trim() === '') continue
    while (indents.length > 0 && indents.at(-1)! >= marks.length) indents.pop()
    indents.push(marks.length)
    if (indents.length > most || marks.replaceAll(' ', '').length > most) return true
  }
  return false
}

/**
 * Refuses the text of a spec's file that is too long or nests too deep to be parsed in reasonable time and memory.
 * @param name of the file, for messages
 * @throws LayermillError `SPEC_INVALID`
 */
export function checkSpecText(text: string, name: string): void {
  if (text.length > mostSpecBytes) throw tooLong(name, text.length)
  if (yamlNestsDeeper(text, mostNesting)) {
    throw new LayermillError(
      'SPEC_INVALID',
      `${name}: nests deeper than ${mostNesting} levels, expected fields with values, as 'model: resnet50'`,
    )
  }
}

/** The error of a spec's file of so many bytes. */
export function tooLong(name: string, bytes: number): LayermillError {
  return new LayermillError('SPEC_INVALID', `${name}: has ${bytes} bytes, expected a spec of at most ${mostSpecBytes}`)
}
