#!/usr/bin/env bash
# cron-parser 5.10.3: a time of day that the clock jumps over is moved behind the gap in most zones, but left out where the gap is at
# midnight.
#
# Expected: one rule for gaps. "30 2 * * *" in Europe/Berlin ticks at 03:30 on 31 March 2024, when 02:00 to 03:00 did not exist.
# Seen: "0 0 * * *" and "30 0 * * *" in zones whose clocks jump from 00:00 to 01:00 have no tick on that day (Asia/Beirut, 31 March 2024;
# Africa/Cairo, 26 April 2024; America/Havana, 10 March 2024; America/Sao_Paulo, 4 November 2018): two days pass between two ticks of a
# daily schedule. A weekly "0 0 * * 0" loses the whole week, since these changes are on Sundays in three of the four.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund cron-parser@5.10.3

cat >ticks.mjs <<'JS'
import { CronExpressionParser } from 'cron-parser'

/** The two ticks after a time, in UTC. */
function ticks(expression, tz, currentDate) {
  const times = CronExpressionParser.parse(expression, { tz, currentDate })
  return [1, 2].map(() => times.next().toDate().toISOString().slice(0, 16)).join(' ')
}
const expected = [
  ['30 2 * * *', 'Europe/Berlin', '2024-03-30T12:00Z', '2024-03-31T01:30 2024-04-01T00:30'],
  ['0 0 * * *', 'Europe/Berlin', '2024-03-30T12:00Z', '2024-03-30T23:00 2024-03-31T22:00'],
  // 30 March 00:00, then 1 April 00:00, local time; 30 March 22:00 UTC (31 March, 01:00) is missing.
  ['0 0 * * *', 'Asia/Beirut', '2024-03-29T12:00Z', '2024-03-29T22:00 2024-03-31T21:00'],
  ['30 0 * * *', 'Asia/Beirut', '2024-03-29T12:00Z', '2024-03-29T22:30 2024-03-31T21:30'],
  ['0 0 * * *', 'Africa/Cairo', '2024-04-24T12:00Z', '2024-04-24T22:00 2024-04-26T21:00'],
  ['0 0 * * *', 'America/Havana', '2024-03-09T00:00Z', '2024-03-09T05:00 2024-03-11T04:00'],
  ['0 0 * * *', 'America/Sao_Paulo', '2018-11-02T12:00Z', '2018-11-03T03:00 2018-11-05T02:00'],
  ['0 0 * * 0', 'America/Sao_Paulo', '2018-11-02T12:00Z', '2018-11-11T02:00 2018-11-18T02:00'],
]
for (const [expression, zone, from, wanted] of expected) {
  const seen = ticks(expression, zone, from)
  console.log(`${expression} in ${zone}: ${seen}`)
  if (seen !== wanted) {
    console.log(`  changed; it was ${wanted}`)
    process.exitCode = 1
  }
}
JS
node ticks.mjs
