import { createHash, type Hash } from 'node:crypto'
import { parseModelReference, type RunSpec } from '@layermill/contracts'
import { networkIds } from '@layermill/models'
import type { ImageSource, SourceAccess, Store } from '@layermill/storage'
import { accessOf } from '../run/source-access.js'
import type { ModelRegistry } from '../registry/registry.js'

export interface FingerprintEnvironment {
  /** Registry that resolves registered models of specs (`pets@latest`). */
  readonly registry?: Pick<ModelRegistry, 'resolve'> | undefined
  openSource(source: string, access?: SourceAccess): Promise<ImageSource>
  openStore(url: string): Promise<Store>
}

async function addListing(hash: Hash, opened: Promise<ImageSource>): Promise<void> {
  await using source = await opened
  for await (const { key, etag, bytes, label } of source.items()) hash.update(`${JSON.stringify([key, etag, bytes, label ?? null])}\n`)
}

/**
 * The version of a fine-tuned model that a spec names by its place, or by its name in the registry: what `pets@latest` means at this
 * moment. A network's name says all by itself.
 */
async function modelVersion(model: string, environment: FingerprintEnvironment): Promise<string | undefined> {
  const reference = parseModelReference(model)
  if (reference === undefined && (networkIds.includes(model) || !/[/\\]/.test(model))) return undefined
  // A missing registry is reported by the submission.
  const place = reference === undefined ? model : await environment.registry?.resolve(reference)
  if (place === undefined) return undefined
  await using store = await environment.openStore(place)
  const etag = (await store.stat('model.json'))?.etag
  return reference === undefined ? etag : `${place} ${etag ?? ''}`
}

/**
 * Hashes the input of a run of this spec with SHA-256: the spec, its model's version, and key, etag, size and label of every image. The
 * listing is read as a stream.
 * @throws LayermillError as listing does: `SOURCE_EMPTY`, `SOURCE_MISSING`, `SOURCE_UNREACHABLE`; `MODEL_NOT_REGISTERED`
 */
export async function fingerprintOf(spec: RunSpec, environment: FingerprintEnvironment): Promise<string> {
  const { notify: _notify, ...decisive } = spec
  const hash = createHash('sha256').update(`${JSON.stringify([decisive, (await modelVersion(spec.model, environment)) ?? null])}\n`)
  await addListing(hash, environment.openSource(spec.source, spec))
  if (spec.kind === 'finetune' && typeof spec.validation === 'string') {
    hash.update('validation\n')
    await addListing(hash, environment.openSource(spec.validation, accessOf(spec.validation, spec)))
  }
  return hash.digest('hex')
}
