import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import axe from 'axe-core'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { findChromium } from '../../scripts/services/chromium.mjs'
import { workspaceRoot } from '../architecture/workspace.js'

/** Folder for the screenshots of tests. */
const screenshots = (): string => join(workspaceRoot(), '.tmp/dashboard')

/** Flags that keep the browser from looking for hosts of its maker. */
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export async function startBrowser(): Promise<Browser> {
  const executablePath = process.env['LAYERMILL_TEST_CHROMIUM'] ?? (await findChromium()).path
  return chromium.launch({ executablePath, args: flags, timeout: 120_000 })
}

export interface Screen {
  readonly theme: 'light' | 'dark'
  readonly width: number
  readonly height?: number
}

export const desktop = { width: 1400, height: 860 }
export const phone = { width: 390, height: 780 }

/**
 * A page whose every complaint is kept: console errors (refusals of the content security policy among them), exceptions, requests to
 * elsewhere.
 */
export class WatchedPage {
  readonly complaints: string[] = []

  private constructor(
    readonly page: Page,
    readonly context: BrowserContext,
    private readonly origin: string,
  ) {}

  static async open(browser: Browser, origin: string, screen: Screen = { theme: 'light', ...desktop }): Promise<WatchedPage> {
    const context = await browser.newContext({
      colorScheme: screen.theme,
      viewport: { width: screen.width, height: screen.height ?? 800 },
      reducedMotion: 'reduce',
    })
    context.setDefaultTimeout(120_000)
    const page = await context.newPage()
    const watched = new WatchedPage(page, context, origin)
    page.on('pageerror', error => watched.complaints.push(`exception: ${error.message}`))
    page.on('console', message => {
      // The browser's own note of an answer such as 401, which the page handles.
      const handled = /^Failed to load resource: the server responded with a status of 4\d\d/.test(message.text())
      if (message.type() === 'error' && !handled) watched.complaints.push(`console: ${message.text()}`)
    })
    page.on('request', request => {
      if (!request.url().startsWith(origin) && !request.url().startsWith('blob:')) watched.complaints.push(`request to ${request.url()}`)
    })
    return watched
  }

  async goto(path: string): Promise<void> {
    await this.page.goto(`${this.origin}${path}`)
  }

  async screen({ theme, width, height = 800 }: Screen): Promise<void> {
    await this.page.setViewportSize({ width, height })
    await this.page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
  }

  /** Serious findings of axe on the page as it is now, one line each. */
  async accessibilityFindings(): Promise<string[]> {
    // Evaluated through the debugger, which the page's policy does not concern.
    await this.page.evaluate(`${axe.source}; undefined`)
    const found: unknown = await this.page.evaluate(
      'axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations.map(({ id, impact, help, nodes }) => ({ id, impact, help, nodes: nodes.map(node => node.html + " " + node.failureSummary) })))',
    )
    const violations = found as { id: string; impact: string; help: string; nodes: string[] }[]
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.join('\n  ')}`)
  }

  /**
   * The page light on a desk and dark on a phone (with `all`, each in both): complaints of axe and sideways scrolling, none when all is
   * well. A screenshot of each is kept.
   */
  async checkScreens(name: string, all = false): Promise<string[]> {
    const screens = [
      ['light', 'desktop'],
      ['dark', 'phone'],
      ...(all
        ? ([
            ['dark', 'desktop'],
            ['light', 'phone'],
          ] as const)
        : []),
    ] as const
    const found: string[] = []
    for (const [theme, kind] of screens) {
      await this.screen({ theme, ...(kind === 'phone' ? phone : desktop) })
      await this.screenshot(`${name}-${theme}-${kind}`)
      const overflow = await this.overflow()
      if (overflow > 0) found.push(`${overflow} pixels wider than the screen`)
      found.push(...(await this.clipped()))
      found.push(...(await this.accessibilityFindings()))
    }
    await this.screen({ theme: 'light', ...desktop })
    return found.map(text => `${name}: ${text}`)
  }

  /** Pixels by which the page is wider than the screen. */
  async overflow(): Promise<number> {
    return Number(await this.page.evaluate('document.documentElement.scrollWidth - innerWidth'))
  }

  /** Texts that are cut off where nobody can scroll to the rest, and nothing (an ellipsis with a title) says that there is more. */
  async clipped(): Promise<string[]> {
    const found: unknown = await this.page.evaluate(`(() => {
      const cuts = element => {
        const { overflowX, textOverflow } = getComputedStyle(element)
        return (overflowX === 'hidden' || overflowX === 'clip') && textOverflow !== 'ellipsis'
      }
      return [...document.querySelectorAll('body *')]
        .filter(element => cuts(element) && element.scrollWidth > element.clientWidth + 1 && element.innerText?.trim() && element.clientWidth > 1)
        .map(element => element.tagName + '.' + element.className + ' cuts off ' + element.innerText.trim().slice(0, 60))
    })()`)
    return found as string[]
  }

  async screenshot(name: string, fullPage = false): Promise<string> {
    const path = join(screenshots(), `${name}.png`)
    await mkdir(dirname(path), { recursive: true })
    await this.page.screenshot({ path, fullPage })
    return path
  }

  async close(): Promise<void> {
    await this.context.close()
  }
}
