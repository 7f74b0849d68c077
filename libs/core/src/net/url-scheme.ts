/**
 * The scheme of a URL, in lower case: letters, digits, `+`, `.` and `-` before `://`. Undefined for anything else, a path among it.
 * One letter is a scheme here, `c://x` too: a guard that asks what a text may be must not take it for a path.
 */
export function schemeOf(text: string): string | undefined {
  return /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase()
}

/** The scheme of a store's or source's place: as `schemeOf`, but a single letter is the drive of a path. */
export function placeSchemeOf(place: string): string | undefined {
  const scheme = schemeOf(place)
  return scheme === undefined || scheme.length === 1 ? undefined : scheme
}
