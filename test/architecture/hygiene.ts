/** A text file of the project, by its path from the root. */
export interface ProjectFile {
  readonly path: string
  readonly text: string
}

/** Patterns that no file may contain. Written in pieces, so that this file does not contain them either. */
const forbidden: readonly { what: string; pattern: RegExp }[] = [
  { what: 'a path of one machine', pattern: new RegExp(`(?<![\\w.:}$-])/(?:${['work', 'tmp', 'root', 'home'].join('|')})/[\\w.]`) },
  { what: "a package registry's host", pattern: new RegExp(['registry\\.npmjs', 'registry\\.yarnpkg', 'npm\\.pkg\\.github'].join('|')) },
  { what: 'a private key', pattern: new RegExp(`-----BEGIN ${'[A-Z ]*'}PRIVATE${' '}KEY`) },
  { what: 'a conflict marker', pattern: /^(?:<{7}|>{7}) /m },
]

/** `context.skip('reason')` reports its reason; everything else here drops tests without a word. */
const silentTests = new RegExp(
  `\\b(?:describe|it|test|suite)(?:\\.\\w+)*\\.(?:${['only', 'skip', 'todo', 'skipIf', 'runIf'].join('|')})\\b`,
)

const lineOf = (text: string, index: number): number => text.slice(0, index).split('\n').length

function contentViolations({ path, text }: ProjectFile): string[] {
  const patterns = [...forbidden]
  if (path.endsWith('.test.ts')) patterns.push({ what: 'a focused or skipped test', pattern: silentTests })
  return patterns.flatMap(({ what, pattern }) => {
    const match = pattern.exec(text)
    return match === null ? [] : [`${path}:${lineOf(text, match.index)} contains ${what}: ${match[0]}`]
  })
}

/** Codes are for programs, so they all look alike. */
function errorCodeViolations({ path, text }: ProjectFile): string[] {
  return [...text.matchAll(/new LayermillError\(\s*(['"`])(.*?)\1/gs)]
    .filter(([, , code]) => !/^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*$/.test(code ?? ''))
    .map(match => `${path}:${lineOf(text, match.index)} has an error code that is not UPPER_SNAKE_CASE: ${match[2]}`)
}

/** Members of classes are closed by `private`, in all classes alike. */
function privacyViolations({ path, text }: ProjectFile): string[] {
  const members = [...text.matchAll(/^\s+(?:(?:static|readonly|async|get|set|override|\*) ?)*(#\w+)\s*[(=:;!?<]/gm)]
  return members.map(match => `${path}:${lineOf(text, match.index + match[0].indexOf('#'))} declares ${match[1]}: write private instead`)
}

/** Constants are written in one case, camelCase, whatever they hold; only schemas and components begin with a capital, as their types do. */
function caseViolations({ path, text }: ProjectFile): string[] {
  const names = [...text.matchAll(/^[ \t]*(?:export )?const ([A-Z][A-Z0-9_]*) *[:=]/gm)]
  return names.map(match => `${path}:${lineOf(text, match.index)} declares ${match[1]}: write it in camelCase`)
}

/** Comments begin with a noun or a verb of the field: a clause in place of one is a riddle until its end. */
function commentViolations({ path, text }: ProjectFile): string[] {
  const riddles = [...text.matchAll(/^[ \t]*(?:\/\/|\/\*\*|\*)[ \t]+(What|Who|Where|Whoever|Whatever)\b/gm)]
  const starts = riddles.filter(({ index, 0: line }) => !/^[ \t]*(?:\/\/|\*)/.test(line) || !continues(text, index))
  return starts.map(match => `${path}:${lineOf(text, match.index)} has a comment that begins with ${match[1]}: begin with a noun or a verb`)
}

/** Whether the line before is a comment too, so that a sentence may go on. */
function continues(text: string, index: number): boolean {
  const before = text.slice(0, index).split('\n').at(-2) ?? ''
  return /^[ \t]*(?:\/\/|\*)[ \t]*\S/.test(before) || /^[ \t]*\/\*\*[ \t]*\S/.test(before)
}

/** npm would go to that host, whatever registry is configured. */
export function lockfileViolations(text: string): string[] {
  const { packages } = JSON.parse(text) as { packages: Record<string, { resolved?: string }> }
  return Object.entries(packages)
    .filter(([, { resolved }]) => resolved !== undefined && /^[a-z+]+:/.test(resolved))
    .map(([name, { resolved }]) => `package-lock.json: ${name} is resolved to ${resolved}`)
}

/** Anchors that GitHub makes of a document's headings. */
function anchorsOf(text: string): Set<string> {
  const headings = [...withoutCode(text).matchAll(/^#{1,6} +(.+?) *#*$/gm)].map(([, title]) => title ?? '')
  return new Set(
    headings.map(title =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

const withoutCode = (text: string): string =>
  text.replace(/^(```|~~~).*?^\1/gms, '').replace(/`[^`\n]*`/g, code => code.replace(/[[\]()]/g, ' '))

/** Links of Markdown documents to files and headings that are not there. `exists` is told a path from the root. */
export function linkViolations(files: readonly ProjectFile[], exists: (path: string) => boolean): string[] {
  const documents = new Map(files.filter(({ path }) => path.endsWith('.md')).map(file => [file.path, file.text]))
  return [...documents].flatMap(([path, text]) => {
    const links = [...withoutCode(text).matchAll(/\]\(<?([^\s)>]+)>?(?: +"[^"]*")?\)|\b(?:src|href)="([^"]+)"/g)].map(
      match => match[1] ?? match[2] ?? '',
    )
    return links
      .filter(link => !/^[a-z][a-z+.-]*:/i.test(link))
      .filter(link => !linkExists(path, link, documents, exists))
      .map(link => `${path} links to ${link}, which is not there`)
  })
}

function linkExists(from: string, link: string, documents: ReadonlyMap<string, string>, exists: (path: string) => boolean): boolean {
  const url = new URL(link, `file:///${from}`)
  const target = link.startsWith('#') ? from : decodeURIComponent(url.pathname).slice(1).replace(/\/$/, '')
  if (!exists(target)) return false
  const text = documents.get(target)
  return url.hash === '' || text === undefined || anchorsOf(text).has(decodeURIComponent(url.hash.slice(1)))
}

/** Everything in the project's text files that should not be there, one sentence each. */
export function hygieneViolations(files: readonly ProjectFile[]): string[] {
  return files.flatMap(file => [
    ...contentViolations(file),
    ...(/\.(?:ts|mjs)$/.test(file.path) ? errorCodeViolations(file) : []),
    ...(/\.(?:[cm]?ts|tsx|[cm]?js)$/.test(file.path) ? [...caseViolations(file), ...commentViolations(file)] : []),
    ...(/\.tsx?$/.test(file.path) ? privacyViolations(file) : []),
  ])
}
