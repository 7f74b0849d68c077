/** A server's URL: everything up to the last `@`, so that a password with an unescaped `/` or `?` is caught as well. */
const serverUserinfo = /((?:rediss?|postgres(?:ql)?):\/\/)\S{0,2000}@/gi
// Repetitions are bounded so that hostile text costs linear time.
const userinfo = /\b([a-z][a-z0-9+.-]{0,20}:\/\/)[^/?#\s]{0,2000}@/gi
const secretParameter = /([?&](?:x-amz-(?:signature|credential|security-token)|signature|sig|token|access_token|password|key)=)[^&#\s]*/gi

/** Any text (an error's message, a URL, a log line) with the userinfo and the secret query parameters of the URLs in it replaced by `***`. */
export function redact(text: string): string {
  return text.replace(serverUserinfo, '$1***@').replace(userinfo, '$1***@').replace(secretParameter, '$1***')
}

/** Whether a text has a URL with userinfo (`scheme://user:password@host`) or a secret in its query (a presigned URL). */
export function hasCredentials(text: string): boolean {
  return redact(text) !== text
}
