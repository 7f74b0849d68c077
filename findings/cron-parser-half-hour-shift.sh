#!/usr/bin/env bash
# cron-parser 5.10.3: schedules in a zone whose clocks go back by half an hour (Australia/Lord_Howe) end in an error or leave ticks out.
#
# Expected: ticks as in a zone that goes back by a whole hour, where each of the schedules below goes on over the change.
# Seen: on 7 April 2024, when 02:00 became 01:30, next() of "0 * * * *", "0 2 * * *" and "0 3 * * *" throws "loop limit exceeded" once
# the next tick is behind the change, though prev() finds the same ticks from the other side. "*/15 * * * *" leaves 45 minutes between two
# ticks: 01:30 and 01:45 of the second pass are missing. From then on "45 1 * * *" says 02:15 each day, by an object that went over the
# change. In Europe/Berlin all five tick through the hour that is passed twice.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund cron-parser@5.10.3

cat >ticks.mjs <<'JS'
import { CronExpressionParser } from 'cron-parser'

/** Ticks behind a time (before it, with `prev`) in UTC, or the error that takes their place. */
function ticks(expression, tz, currentDate, count, way = 'next') {
  const times = CronExpressionParser.parse(expression, { tz, currentDate })
  const found = []
  try {
    while (found.length < count) found.push(times[way]().toDate().toISOString().slice(5, 16))
  } catch (error) {
    found.push(error.message)
  }
  return found.join(' ')
}
const limit = 'Invalid expression, loop limit exceeded'
const expected = [
  // The control: 03:00 became 02:00 at 01:00 UTC.
  ['0 * * * *', 'Europe/Berlin', '2024-10-26T23:30Z', 3, 'next', '10-27T00:00 10-27T01:00 10-27T02:00'],
  ['*/15 * * * *', 'Europe/Berlin', '2024-10-27T00:40Z', 3, 'next', '10-27T00:45 10-27T01:00 10-27T01:15'],
  ['0 2 * * *', 'Europe/Berlin', '2024-10-26T12:00Z', 2, 'next', '10-27T00:00 10-28T01:00'],
  ['0 3 * * *', 'Europe/Berlin', '2024-10-26T12:00Z', 2, 'next', '10-27T02:00 10-28T02:00'],
  ['45 1 * * *', 'Europe/Berlin', '2024-10-26T12:00Z', 2, 'next', '10-26T23:45 10-28T00:45'],
  // 02:00 became 01:30 at 15:00 UTC of 6 April.
  ['0 * * * *', 'Australia/Lord_Howe', '2024-04-06T13:40Z', 3, 'next', `04-06T14:00 ${limit}`],
  ['0 * * * *', 'Australia/Lord_Howe', '2024-04-06T16:00Z', 2, 'prev', '04-06T15:30 04-06T14:00'],
  ['0 2 * * *', 'Australia/Lord_Howe', '2024-04-06T13:40Z', 2, 'next', limit],
  ['0 2 * * *', 'Australia/Lord_Howe', '2024-04-06T16:00Z', 2, 'prev', '04-06T15:30 04-05T15:00'],
  ['0 3 * * *', 'Australia/Lord_Howe', '2024-04-06T13:40Z', 2, 'next', limit],
  ['*/15 * * * *', 'Australia/Lord_Howe', '2024-04-06T14:40Z', 2, 'next', '04-06T14:45 04-06T15:30'],
  ['45 1 * * *', 'Australia/Lord_Howe', '2024-04-06T13:40Z', 3, 'next', '04-06T14:45 04-07T15:15 04-08T15:15'],
]
for (const [expression, zone, from, count, way, wanted] of expected) {
  const seen = ticks(expression, zone, from, count, way)
  console.log(`${expression} in ${zone}, ${way}: ${seen}`)
  if (seen !== wanted) {
    console.log(`  changed; it was ${wanted}`)
    process.exitCode = 1
  }
}
JS
node ticks.mjs
