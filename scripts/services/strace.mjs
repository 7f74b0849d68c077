// Tells which addresses and names a process asks for: Debian's strace.
import { install, run } from './debian.mjs'

/** The program; `stop` is there because services have one. */
export async function findStrace() {
  const find = () =>
    run('which', ['strace'], {}).then(
      ({ stdout }) => stdout.trim(),
      () => undefined,
    )
  let path = await find()
  if (path === undefined) {
    await install(['strace'], 'the test that nothing is sent anywhere')
    path = await find()
  }
  if (path === undefined) throw new Error('strace is not on the path')
  return { path, stop: () => Promise.resolve() }
}
