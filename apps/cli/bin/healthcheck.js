#!/usr/bin/env node
/**
 * Health of the container's process, for HEALTHCHECK: asks /healthz at the port, and the address, that the process was told to listen on.
 * `healthcheck.js [FILE]` takes the command line from a file of its words with zero bytes between, else from that of process 1.
 * Ends with 0 where it is well or listens on no known port, 1 where it does not answer or answers that it is not.
 */
import { readFileSync } from 'node:fs'

const words = readFileSync(process.argv[2] ?? '/proc/1/cmdline', 'utf8').split('\0')

/** @param {string} flag */
function valueOf(flag) {
  const joined = words.findLast(word => word.startsWith(`${flag}=`))
  if (joined !== undefined) return joined.slice(flag.length + 1)
  const index = words.lastIndexOf(flag)
  return index < 0 ? undefined : words[index + 1]
}

const isServer = words.includes('serve')
const first = Number(isServer ? (valueOf('--port') ?? '8080') : (valueOf('--health-port') ?? '0'))
const host = valueOf('--host') ?? '127.0.0.1'
const anywhere = { '0.0.0.0': '127.0.0.1', '::': '[::1]' }
const address = anywhere[host] ?? (host.includes(':') ? `[${host}]` : host)
// One port after the other, where there is one process for each GPU.
const count = isServer ? 1 : (valueOf('--devices') ?? '0').split(',').length

/** @param {number} port */
async function isWell(port) {
  try {
    return (await fetch(`http://${address}:${port}/healthz`)).ok
  } catch {
    return false
  }
}

if (Number.isInteger(first) && first > 0) {
  const ports = Array.from({ length: count }, (_, index) => first + index)
  const well = await Promise.all(ports.map(isWell))
  const ill = ports.filter((_, index) => !well[index])
  if (ill.length > 0) console.error(`no health at ${address}, port ${ill.join(', ')}`)
  process.exitCode = ill.length === 0 ? 0 : 1
} else {
  console.log('no known port to ask')
}
