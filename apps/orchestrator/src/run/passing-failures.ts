/** Failures of images whose reason may pass: of a file system, a network, or a moment. The rest is the file's own. */
const passing = new Set(['IMAGE_MISSING', 'IMAGE_UNREADABLE', 'IMAGE_CHANGED', 'IMAGE_TIMEOUT', 'IMAGE_DENIED', 'IMAGE_ARCHIVED'])

export function mayPass({ code }: { readonly code: string }): boolean {
  return passing.has(code)
}
