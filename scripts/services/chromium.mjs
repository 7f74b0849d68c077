// Debian's Chromium for tests of the dashboard: installed where it is missing. A browser is started by the tests themselves.
import { access, constants } from 'node:fs/promises'
import { install } from './debian.mjs'

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

async function find() {
  for (const place of places) {
    if (
      await access(place, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return place
  }
  return undefined
}

/** The browser's program; `stop` is there because services have one. */
export async function findChromium() {
  let path = await find()
  if (path === undefined) {
    await install(['chromium'], 'Tests of the dashboard')
    path = await find()
  }
  if (path === undefined) throw new Error(`Chromium is none of ${places.join(', ')}`)
  return { path, stop: () => Promise.resolve() }
}
