import { exitCodes, layermillHome, printableName } from '@layermill/core'
import { getNetwork, networkIds } from '@layermill/models'
import { fetchWeights, importWeights, listWeights, verifyWeights } from '@layermill/weights'
import { formatBytes, formatTable } from '../../output/format.js'
import type { Output } from '../../output/output.js'
import { WeightsProgressNotes } from '../../output/weights-progress.js'

export interface ImportOptions {
  model: string
  out?: string
  prepare?: string
}

/** `layermill weights list`: which weights are here, and what is published. */
export async function listCommand(output: Output, json: boolean): Promise<void> {
  const listed = await listWeights()
  if (json) return output.json(listed)
  const rows = listed.map(({ network, ready, published }) => [
    network,
    ready === undefined ? 'no' : formatBytes(ready.bytes),
    published.map(file => `${file.file}${file.present ? ' (here)' : ''}`).join(', ') || 'none: see below',
    published[0]?.bytes === undefined ? '' : formatBytes(published[0].bytes),
    [...new Set(published.map(file => file.licence))].join(', '),
  ])
  output.line(formatTable(['model', '>ready', 'published', '>download', 'licence'], rows))
  for (const { network, unavailable } of listed) if (unavailable !== undefined) output.line(`\n${network}: ${unavailable}`)
  output.line(`\nkept in ${layermillHome()} ($LAYERMILL_HOME)`)
}

/** `layermill weights fetch MODEL...`: downloads, checks and converts the published weights. */
export async function fetchCommand(output: Output, models: readonly string[], timeoutSeconds: number | undefined): Promise<void> {
  for (const id of models) getNetwork(id)
  for (const id of models.length === 0 ? networkIds : models) {
    const notes = new WeightsProgressNotes(process.stderr)
    const timeout = timeoutSeconds === undefined ? {} : { timeoutMs: timeoutSeconds * 1000 }
    try {
      const fetched = await fetchWeights(id, { ...timeout, onProgress: progress => notes.update(progress) })
      notes.finish()
      output.line(`${id}: ${fetched.path}  (${fetched.source}, ${fetched.sha256.slice(0, 12)})`)
    } finally {
      notes.finish()
    }
  }
}

/** `layermill weights import FILE --model M [--out X]`: reads any format, checks it, writes .safetensors or .npz. */
export async function importCommand(output: Output, file: string, options: ImportOptions): Promise<void> {
  const imported = await importWeights(file, options.model, options.out, { prepare: options.prepare })
  const prepared = imported.preparation === undefined ? '' : `, prepared as ${imported.preparation.name}`
  const auxiliary = imported.missingAuxiliary ? '; the auxiliary classifiers are not in the file and were initialised' : ''
  output.line(
    `${imported.path}: ${imported.tensors} tensors, ${formatBytes(imported.bytes)}, ${imported.sha256.slice(0, 12)}${prepared}${auxiliary}`,
  )
  for (const note of imported.notes) output.line(`  ${printableName(note)}`)
}

/** `layermill weights verify`: holds every file that is kept against its hash. */
export async function verifyCommand(output: Output): Promise<number> {
  const verified = await verifyWeights()
  if (verified.length === 0) output.line(`no weights in ${layermillHome()}`)
  for (const { network, path, ok, detail } of verified) output.line(`${ok ? 'ok   ' : 'WRONG'}  ${network}  ${path}: ${detail}`)
  return verified.every(({ ok }) => ok) ? exitCodes.done : exitCodes.failed
}
