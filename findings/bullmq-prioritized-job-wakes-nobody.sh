#!/usr/bin/env bash
# BullMQ 6.7.0 on Redis: an active job that is moved back to wait (Job.moveToWait) wakes an idle worker at once, unless it has a priority.
# Then the worker sleeps until its blocking call ends, up to `drainDelay` (5 s by default).
#
# Expected: a job that is ready is taken at once, whatever its priority, as one that is added with a priority is.
# Seen: moveToWait leaves the marker (the sorted set on which idle workers block) for a job of priority 0, and none for one of priority 5.
# With a worker that went idle one second before, the first is taken within milliseconds, the second about 4 s later. Job.changePriority
# mends it where it puts the job behind others of its priority; with `lifo: true` (before them) it leaves no marker either.
#
# Needs a redis-server (7 or newer) in the PATH.
set -euo pipefail
folder=$(mktemp -d)
redis=
trap '[ -z "$redis" ] || kill "$redis" 2>/dev/null || true; [ -z "$redis" ] || wait "$redis" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund bullmq@6.7.0 ioredis@6.0.0
redis-server --port 0 --unixsocket "$folder/redis.sock" --save '' --appendonly no --dir "$folder" >/dev/null &
redis=$!
for _ in $(seq 100); do [ -S "$folder/redis.sock" ] && break; sleep 0.1; done

cat >wake.mjs <<'JS'
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'

const connection = { path: `${process.cwd()}/redis.sock`, maxRetriesPerRequest: null }
const redis = new Redis(connection)

/** Moves an active job back to wait while another worker is idle. */
async function moveBack(name, priority, after) {
  const queue = new Queue(name, { connection })
  const first = new Worker(name, null, { connection })
  await queue.add('job', {}, { priority })
  const job = await first.getNextJob('token')
  let take
  const taken = new Promise(resolve => { take = resolve })
  const idle = new Worker(name, async () => take(), { connection })
  await idle.waitUntilReady()
  await new Promise(resolve => setTimeout(resolve, 1000))
  // The idle worker takes a marker away at once, so the commands that write it are counted, those of scripts too.
  let markers = 0
  const monitor = await redis.monitor()
  const ended = new Promise(resolve => {
    monitor.on('monitor', (_time, [command, key]) => {
      if (command.toLowerCase() === 'zadd' && key === `bull:${name}:marker`) markers++
      if (command.toLowerCase() === 'echo' && key === name) resolve(markers)
    })
  })
  const begin = Date.now()
  await job.moveToWait('token')
  await after?.(job)
  await redis.echo(name)
  await taken
  const ms = Date.now() - begin
  const written = await ended
  monitor.disconnect()
  await Promise.all([idle.close(), first.close(), queue.close()])
  return { priority, marker: written > 0, ms }
}

const plain = await moveBack('plain', 0)
const prioritized = await moveBack('prioritized', 5)
const behind = await moveBack('behind', 5, job => job.changePriority({ priority: 5 }))
const before = await moveBack('before', 5, job => job.changePriority({ priority: 5, lifo: true }))
console.log({ plain, prioritized, behind, before })
redis.disconnect()
const markers = [plain, prioritized, behind, before].map(seen => seen.marker)
process.exitCode = markers.join() === 'true,false,true,false' && prioritized.ms > 1000 ? 0 : 1
JS
node wake.mjs
