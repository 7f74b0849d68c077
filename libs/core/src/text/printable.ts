/** Control characters of C0 and C1 but tab and line feed, and what turns the direction of text or breaks lines unseen. */
const unprintable = /(?![\t\n])[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]/gu
const lineBreaks = /[\t\n]/g

const names: Readonly<Record<string, string>> = { '\n': String.raw`\n`, '\r': String.raw`\r`, '\t': String.raw`\t` }

function escaped(character: string): string {
  return names[character] ?? String.raw`\u` + character.charCodeAt(0).toString(16).padStart(4, '0')
}

/**
 * A text of several lines that a terminal or a log may show: escape sequences and marks of direction in it, as `\u001b`, are written out,
 * so that names of files and classes cannot move the cursor, set the title or pass for other names. Tabs and line feeds stay.
 */
export function printable(text: string): string {
  return text.replace(unprintable, escaped)
}

/** A name (of a file, a class, a key) in one line: as `printable`, with tabs and line feeds written out as well. */
export function printableName(name: string): string {
  return printable(name).replace(lineBreaks, escaped)
}

/** JSON that a terminal may show: the same value, with what `JSON.stringify` leaves as it is, such as C1 controls, written as `\u009b`. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(unprintable, escaped)
}
