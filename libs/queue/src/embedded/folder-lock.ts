import { createHash } from 'node:crypto'
import { mkdir, realpath, rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorCode, LayermillError } from '@layermill/core'

/** A name that only one process can listen on and that the system frees when the process ends, however it ends. */
function address(folder: string): { path: string; file: boolean } {
  const name = `layermill-${createHash('sha256').update(folder).digest('hex').slice(0, 32)}`
  if (process.platform === 'linux') return { path: `\0${name}`, file: false }
  if (process.platform === 'win32') return { path: `\\\\.\\pipe\\${name}`, file: false }
  return { path: join(tmpdir(), `${name}.sock`), file: true }
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => socket.destroy())
    server.once('error', reject)
    server.listen(path, () => {
      server.unref()
      resolve(server)
    })
  })
}

function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/**
 * Takes a folder for this process until the returned function is called or the process ends (a kill frees it too).
 * Throws `QUEUE_LOCKED` where another process, or this one, has it. Machines that share the folder over a network do not see each other.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  await mkdir(folder, { recursive: true })
  const { path, file } = address(await realpath(folder))
  let server: Server
  try {
    // A socket file outlives a killed process: without an answer behind it, it is left over.
    if (file && !(await answers(path))) await rm(path, { force: true })
    server = await listen(path)
  } catch (error) {
    if (errorCode(error) !== 'EADDRINUSE') throw error
    throw new LayermillError('QUEUE_LOCKED', `${folder}: another process uses this folder for its embedded queue`, {
      hint: 'Wait for it to end, or give another folder, or use a queue server (--queue redis://...).',
      cause: error,
    })
  }
  return () => new Promise(resolve => server.close(() => resolve()))
}
