import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { makeSnapshot, openDatabase } from './database.js'
import { loadSnapshot } from './snapshot.js'
import type { FromThread, ThreadData, ToThread } from './thread-messages.js'
import { WireServer } from './wire-server.js'

/** The embedded database's thread: PGlite blocks the thread that it runs in for the length of every query. */
async function main(): Promise<void> {
  if (parentPort === null) throw new Error("This file is a worker thread's.")
  const port = parentPort
  const { directory } = workerData as ThreadData
  const filled = directory !== undefined && existsSync(join(directory, 'PG_VERSION'))
  const database = await openDatabase(filled ? undefined : await loadSnapshot(makeSnapshot), directory)
  const { rows } = await database.query<{ version: string }>("SELECT current_setting('server_version') AS version")
  const post = (message: FromThread, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer)
  const server = new WireServer(
    messages => database.execProtocolRaw(messages),
    (client, bytes) => {
      const copy = Uint8Array.from(bytes)
      post({ kind: 'bytes', client, bytes: copy }, [copy.buffer])
    },
    rows[0]?.version ?? '17.0',
  )
  port.on('message', (message: ToThread) => {
    if (message.kind === 'bytes') server.receive(message.client, message.bytes)
    else if (message.kind === 'gone') server.disconnect(message.client)
    else {
      void database.close().finally(() => {
        post({ kind: 'closed' })
        port.close()
      })
    }
  })
  post({ kind: 'ready' })
}

await main()
