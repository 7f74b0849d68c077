#!/usr/bin/env bash
# BullMQ 6.7.0 on Redis: add() with the id of a job that is there gives back a job with the new name, data and options, none of which is
# stored; nothing tells it from a job that was added.
#
# Expected: the addition is left out, as documented, and what comes back is the job that is there, or says that nothing was added.
# Seen: the returned job has the name, data and priority of the second call, addBulk() the same, while getJob() of its id has those of the
# first. So has a job that `deduplication` leaves out: it comes back with the id of the first one and its own data. A caller that goes on
# with the returned job works on other data than the worker.
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

cat >add.mjs <<'JS'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'

const redis = new Redis({ path: `${process.cwd()}/redis.sock`, maxRetriesPerRequest: null })
const queue = new Queue('jobs', { connection: redis })
const short = job => [job.id, job.name, job.data.v, job.opts.priority].join(' ')
const seen = { first: short(await queue.add('one', { v: 1 }, { jobId: 'x', priority: 1 })) }
seen.again = short(await queue.add('two', { v: 2 }, { jobId: 'x', priority: 2 }))
seen.bulk = short((await queue.addBulk([{ name: 'three', data: { v: 3 }, opts: { jobId: 'x', priority: 3 } }]))[0])
seen.stored = short(await queue.getJob('x'))
seen.single = short(await queue.add('one', { v: 1 }, { deduplication: { id: 'd' }, priority: 1 }))
seen.left = short(await queue.add('two', { v: 2 }, { deduplication: { id: 'd' }, priority: 2 }))
seen.kept = short(await queue.getJob(seen.left.split(' ')[0]))
seen.jobs = (await queue.getJobs(['prioritized', 'wait'])).length
console.log(seen)
const expected = {
  first: 'x one 1 1', again: 'x two 2 2', bulk: 'x three 3 3', stored: 'x one 1 1',
  single: '4 one 1 1', left: '4 two 2 2', kept: '4 one 1 1', jobs: 2,
}
await queue.close()
redis.disconnect()
process.exitCode = Object.keys(expected).every(name => seen[name] === expected[name]) ? 0 : 1
JS
node add.mjs
