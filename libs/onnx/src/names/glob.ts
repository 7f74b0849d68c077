/** Whether a text is a glob: `*`, `**`, `?`, `[a-z]`, `{a,b}`. */
export const isGlob = (text: string): boolean => /[*?[{]/.test(text)

/** A glob for names whose parts are parted by dots or slashes: `*` and `?` stay within a part, `**` does not. */
export function globMatcher(glob: string): (name: string) => boolean {
  let source = ''
  let depth = 0
  for (let i = 0; i < glob.length; i++) {
    const character = glob[i]!
    if (character === '*') {
      const across = glob[i + 1] === '*'
      if (across) i++
      source += across ? '.*' : '[^./]*'
    } else if (character === '?') source += '[^./]'
    else if (character === '[') {
      const end = glob.indexOf(']', i + 2)
      if (end < 0) source += '\\['
      else {
        const set = glob
          .slice(i + 1, end)
          .replaceAll('\\', '\\\\')
          .replaceAll('[', '\\[')
        source += `[${set.startsWith('!') ? `^${set.slice(1)}` : set}]`
        i = end
      }
    } else if (character === '{') {
      source += '(?:'
      depth++
    } else if (character === '}' && depth > 0) {
      source += ')'
      depth--
    } else if (character === ',' && depth > 0) source += '|'
    else source += character.replaceAll(/[\\^$.|+()[\]{}]/g, '\\$&')
  }
  try {
    const pattern = new RegExp(`^${source}$`, 'us')
    return name => pattern.test(name)
  } catch {
    return name => name === glob
  }
}
