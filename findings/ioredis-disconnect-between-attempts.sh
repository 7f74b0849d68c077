#!/usr/bin/env bash
# ioredis 6.0.0: a client that is disconnected while it waits for its next attempt to connect never emits `end`, and says `reconnecting` for
# ever.
#
# Expected: `end`, the event that says that no attempt follows any more, and the status `end`.
# Seen: the attempt that was due is not made, so no more reconnections follow, and neither event nor status tells it. A client whose
# retryStrategy gives up by itself emits `end` and has the status `end`. Whoever waits for `end` waits for ever: BullMQ 6.7.0's
# QueueEvents.close() does while its server is away.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund ioredis@6.0.0 bullmq@6.7.0

cat >ends.mjs <<'JS'
import { createServer } from 'node:net'
import { QueueEvents } from 'bullmq'
import { Redis } from 'ioredis'

/** A port where nothing listens: one that was free just now. */
const port = await new Promise(resolve => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port: free } = server.address()
    server.close(() => resolve(free))
  })
})
const wait = ms => new Promise(resolve => setTimeout(resolve, ms))

async function look(retryStrategy, action) {
  const redis = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: null, retryStrategy })
  let ended = false
  redis.on('error', () => undefined)
  redis.on('end', () => (ended = true))
  await new Promise(resolve => redis.once('close', resolve))
  await wait(100)
  action(redis)
  await wait(4000)
  return { ended, status: redis.status }
}

const givenUp = await look(() => null, () => undefined)
const disconnected = await look(() => 2000, redis => redis.disconnect())
const events = new QueueEvents('jobs', { connection: { port, host: '127.0.0.1', maxRetriesPerRequest: null, retryStrategy: () => 2000 } })
events.on('error', () => undefined)
await wait(500)
const closed = await Promise.race([events.close().then(() => true, () => true), wait(6000).then(() => false)])
console.log(JSON.stringify({ givenUp, disconnected, closed }))
process.exit()
JS

seen=$(node ends.mjs)
echo "$seen"
expected='{"givenUp":{"ended":true,"status":"end"},"disconnected":{"ended":false,"status":"reconnecting"},"closed":false}'
if [ "$seen" != "$expected" ]; then
  echo "changed; stated: $expected" >&2
  exit 1
fi
