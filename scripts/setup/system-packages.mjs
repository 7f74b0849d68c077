import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import path from 'node:path'
import { SetupError, runStep } from './terminal.mjs'

/** Folders in which Debian and Ubuntu keep shared libraries, by Node.js's name for the processor. */
const libraryFolders = { x64: '/usr/lib/x86_64-linux-gnu', arm64: '/usr/lib/aarch64-linux-gnu' }

/** Whether a program, a shared library (`libvulkan.so.1`) or a file by its path is installed. @param {string} program */
export async function isOnPath(program) {
  if (program.startsWith('/')) {
    return access(program, constants.R_OK).then(
      () => true,
      () => false,
    )
  }
  const isLibrary = /\.so(\.\d+)*$/.test(program)
  const folders = isLibrary
    ? [libraryFolders[process.arch] ?? '/usr/lib', '/usr/lib64']
    : [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/sbin']
  for (const folder of folders) {
    if (folder === '') continue
    const found = await access(path.join(folder, program), isLibrary ? constants.R_OK : constants.X_OK).then(
      () => true,
      () => false,
    )
    if (found) return true
  }
  return false
}

/**
 * Installs the Debian packages whose programs are missing.
 *
 * @param {ReadonlyMap<string, string>} packages program to the package that brings it
 * @throws {SetupError} where they are missing and cannot be installed from here
 */
export async function installPrograms(packages) {
  const missing = []
  for (const [program, name] of packages) {
    if (!(await isOnPath(program))) missing.push(name)
  }
  if (missing.length === 0) return
  const command = `apt-get install -y --no-install-recommends ${missing.join(' ')}`
  if (!(await isOnPath('apt-get'))) {
    throw new SetupError(`The tests need ${missing.join(', ')} (names of Debian packages). Please install them and try again.`)
  }
  const isRoot = process.getuid?.() === 0
  if (!isRoot && !(await isOnPath('sudo'))) {
    throw new SetupError(`The tests need ${missing.join(', ')}. Please run as root: ${command}`)
  }
  const prefix = isRoot ? [] : ['sudo', '-n']
  // RUNLEVEL=1 keeps a package's own service from starting: the tests start their servers themselves, on free ports.
  const aptGet = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1', 'apt-get', '-q', '-y', '-o', 'Acquire::Retries=3']
  await runStep('Updating the list of Debian packages', aptGet[0], [...aptGet.slice(1), 'update'])
  await runStep(`Installing ${missing.join(', ')}`, aptGet[0], [...aptGet.slice(1), 'install', '--no-install-recommends', ...missing])
}
