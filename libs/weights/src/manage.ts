import { stat } from 'node:fs/promises'
import { extname, resolve } from 'node:path'
import { canonicalPath, errorMessage, LayermillError, layermillHome, openFile, publishedPath } from '@layermill/core'
import { getNetwork, namedPreparation, type Network, networkIds, type PublishedFile, type WeightsPreparation } from '@layermill/models'
import { disagreement, hashFile } from './fetch/hash.js'
import { metadataKeys } from './metadata.js'
import { type LoadOptions, loadWeights } from './load.js'
import { isPreparationPlace, readPreparation } from './preparation-file.js'
import { readCanonical } from './published.js'
import { openTensorFile } from './readers/detect.js'
import { publishedWeights, type WeightRegistry } from './registry.js'
import { writeWeightsNpz } from './writers/npz.js'
import { writeWeightsSafetensors } from './writers/safetensors.js'

export interface ListedFile extends PublishedFile {
  readonly path: string
  /** On disk; not checked (see `verifyWeights`). */
  readonly present: boolean
}

export interface ListedWeights {
  readonly network: string
  /** Converted weights, which `imagenet` loads without a download. */
  readonly ready?: {
    readonly path: string
    readonly bytes: number
    readonly sha256?: string | undefined
    readonly source?: string | undefined
  }
  readonly published: readonly ListedFile[]
  readonly unavailable?: string | undefined
}

export interface VerifiedFile {
  readonly network: string
  readonly path: string
  readonly ok: boolean
  /** How it was checked, or what is wrong. */
  readonly detail: string
}

export interface ImportOptions extends LoadOptions {
  /**
   * The name of the preparation that the weights were trained with, or a file or folder that says it. Default: what `loadWeights` finds.
   */
  readonly prepare?: string | undefined
}

export interface ImportedWeights {
  readonly network: string
  readonly path: string
  readonly bytes: number
  readonly sha256: string
  readonly tensors: number
  readonly missingAuxiliary: boolean
  /** Remarks on the file, for people: see `WeightSet`. */
  readonly notes: readonly string[]
  readonly preparation?: WeightsPreparation | undefined
}

const sizeOf = async (path: string): Promise<number | undefined> => {
  const stats = await stat(path).catch(() => undefined)
  return stats?.isFile() === true ? stats.size : undefined
}

async function readyWeights(path: string): Promise<ListedWeights['ready']> {
  const bytes = await sizeOf(path)
  if (bytes === undefined) return undefined
  await using file = await openFile(path)
  try {
    const { metadata } = await openTensorFile(file)
    return { path, bytes, sha256: metadata.get(metadataKeys.sha256), source: metadata.get(metadataKeys.source) }
  } catch (error) {
    return { path, bytes, source: `unreadable: ${errorMessage(error)}` }
  }
}

/** Every network with what is published for it and what of it is on this machine. */
export async function listWeights(home: string = layermillHome(), registry: WeightRegistry = publishedWeights): Promise<ListedWeights[]> {
  const listed: ListedWeights[] = []
  for (const network of networkIds) {
    const entry = registry[network] ?? { files: [] }
    const published: ListedFile[] = []
    for (const file of entry.files) {
      const path = publishedPath(home, network, file.file)
      published.push({ ...file, path, present: (await sizeOf(path)) !== undefined })
    }
    const ready = await readyWeights(canonicalPath(home, network))
    listed.push({
      network,
      published,
      ...(ready === undefined ? {} : { ready }),
      ...(entry.unavailable === undefined ? {} : { unavailable: entry.unavailable }),
    })
  }
  return listed
}

async function chosenPreparation(prepare: string, network: Network): Promise<WeightsPreparation> {
  if (!isPreparationPlace(prepare)) return namedPreparation(prepare, network)
  const { name, preparation, inputSize = network.inputSize } = await readPreparation(prepare)
  return { name, preparation, inputSize, from: 'asked' }
}

/**
 * Reads weights of any format for a network and writes them as `.safetensors` or `.npz`.
 * @param source As for `loadWeights`: a file, a URL, `imagenet`, `random:SEED`.
 * @param out A path ending in `.safetensors` or `.npz`; default: the place under `$LAYERMILL_HOME` where `imagenet` finds them.
 * @throws LayermillError of `loadWeights`; `WEIGHTS_FORMAT` for another ending; `PREPARATION_UNKNOWN`.
 */
export async function importWeights(source: string, id: string, out?: string, options: ImportOptions = {}): Promise<ImportedWeights> {
  const path = out === undefined ? canonicalPath(options.home ?? layermillHome(), id) : resolve(out)
  const ending = extname(path).toLowerCase()
  if (ending !== '.safetensors' && ending !== '.npz') {
    throw new LayermillError('WEIGHTS_FORMAT', `cannot write ${path}: weights are written as .safetensors or .npz`)
  }
  const network = getNetwork(id)
  const chosen = options.prepare === undefined ? undefined : await chosenPreparation(options.prepare, network)
  const loaded = await loadWeights(network, source, options)
  const weights = chosen === undefined ? loaded : { ...loaded, preparation: chosen }
  if (ending === '.npz') await writeWeightsNpz(path, id, weights)
  else await writeWeightsSafetensors(path, network, weights)
  return {
    network: id,
    path,
    bytes: (await stat(path)).size,
    sha256: weights.sha256,
    tensors: weights.tensors.size,
    missingAuxiliary: weights.missingAuxiliary === true,
    notes: weights.notes ?? [],
    preparation: weights.preparation,
  }
}

async function verifyPublished(network: string, file: PublishedFile, path: string): Promise<VerifiedFile> {
  const found = await hashFile(path, file.hashes)
  const problem = disagreement(found, file.hashes)
  const known = Object.keys(file.hashes)[0]
  const passed = known === undefined ? `no hash is published; sha256 ${found.sha256}` : `${known} agrees`
  return { network, path, ok: problem === undefined, detail: problem ?? passed }
}

/** Checks all weights on this machine: published files by their hashes, converted ones by the hash of their tensors. */
export async function verifyWeights(home: string = layermillHome(), registry: WeightRegistry = publishedWeights): Promise<VerifiedFile[]> {
  const verified: VerifiedFile[] = []
  for (const network of networkIds) {
    for (const file of registry[network]?.files ?? []) {
      const path = publishedPath(home, network, file.file)
      if ((await sizeOf(path)) !== undefined) verified.push(await verifyPublished(network, file, path))
    }
    const path = canonicalPath(home, network)
    if ((await sizeOf(path)) === undefined) continue
    try {
      const weights = await readCanonical(path, getNetwork(network))
      verified.push({ network, path, ok: true, detail: `tensors agree with ${weights.sha256}` })
    } catch (error) {
      verified.push({ network, path, ok: false, detail: errorMessage(error) })
    }
  }
  return verified
}
