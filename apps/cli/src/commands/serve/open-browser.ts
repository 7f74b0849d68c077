import { spawn } from 'node:child_process'

/** Programs that open an address in the user's browser, by system. */
const openers: Partial<Record<NodeJS.Platform, readonly [string, ...string[]]>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
}

/**
 * Opens an address in the user's browser: with `$BROWSER` where that is set, else by the system's own program. A machine that has none, or
 * whose program finds none, is told of, and nothing more.
 */
export function openBrowser(url: string, note: (text: string) => void): void {
  const chosen = process.env['BROWSER']
  const [program, ...args] = chosen !== undefined && chosen !== '' ? [chosen] : (openers[process.platform] ?? ['xdg-open'])
  const child = spawn(program, [...args, url], { stdio: 'ignore', detached: true })
  const tell = (): void => note(`no browser could be opened (${program}): open ${url} yourself`)
  child.once('error', tell)
  child.once('exit', code => {
    if (code !== null && code !== 0) tell()
  })
  child.unref()
}
