import { realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { RunSpec } from '@layermill/contracts'
import { errorCode, LayermillError, schemeOf } from '@layermill/core'
import type { SpecCheck } from './guarded.js'

export interface AllowedPlacesOptions {
  /**
   * Folders, `file://` URLs and `s3://bucket/prefix`: what specs name must be one of these or below it. Buckets are all allowed where none
   * is here.
   */
  readonly allowed: readonly string[]
  /** The server's own registry, which a spec may name as its model's place and where to register, whatever else is allowed. */
  readonly registry?: string | undefined
  /** Folders where none is in `allowed`. */
  readonly otherwise: 'any-folder' | 'no-folder'
}

const isBelow = (place: string, root: string, separator: string): boolean =>
  place === root || place.startsWith(root.endsWith(separator) ? root : root + separator)
/** A bucket's place in one form: lower-case scheme, no slash at the end. */
const bucketPlace = (url: string): string => `s3${url.slice(2).replace(/\/+$/, '')}`

/** A path without symbolic links, as far as it exists. */
async function canonical(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || dirname(path) === path) throw error
    return join(await canonical(dirname(path)), basename(path))
  }
}

const localPath = (place: string): string => (schemeOf(place) === 'file' ? fileURLToPath(place) : place)

const byKind = (places: readonly string[]): { folders: string[]; buckets: string[] } => ({
  buckets: places.filter(place => schemeOf(place) === 's3').map(bucketPlace),
  folders: places.filter(place => schemeOf(place) !== 's3').map(place => resolve(localPath(place))),
})

/** Whether a folder or file is one of some folders or below it, links followed. */
async function isBelowAny(place: string, folders: readonly string[]): Promise<boolean> {
  try {
    const path = localPath(place)
    // The meaning that a pattern or a link gives it is not for us to guess.
    if (path.split(/[/\\]/).includes('..')) return false
    const real = await canonical(resolve(path))
    for (const root of folders) if (isBelow(real, await canonical(root), sep)) return true
  } catch {
    // A place that cannot be looked at is not known to be below anything.
  }
  return false
}

/** Fields of specs that name a place, where they are texts. A new field that does belongs here (a test knows all fields). */
const placeFields = new Set(['source', 'out', 'without', 'relabel', 'validation', 'cache', 'reduction', 'model', 'weights'])

function isPlace(field: string, text: string): boolean {
  // A network's name, or pets@latest, is no place; an ONNX file beside the server is one.
  if (field === 'model') return /[/\\]|\.onnx$/i.test(text)
  return field !== 'weights' || (text !== 'imagenet' && !/^(random(:\d+)?$|https?:\/\/)/i.test(text))
}

/** Every place that a spec names, by its field: what is read, and what is written. */
function placesOf(spec: RunSpec): [field: string, place: string][] {
  const { root, heldOut } = (spec.kind === 'finetune' ? spec.register : undefined) ?? {}
  const texts: [string, unknown][] = [
    ...Object.entries(spec).filter(([field]) => placeFields.has(field)),
    ['register.root', root],
    ['register.heldOut', heldOut],
  ]
  return texts.flatMap(([field, text]) => (typeof text === 'string' && isPlace(field, text) ? [[field, text]] : []))
}

/** Which folders and buckets a server lets the specs name that come over HTTP. */
export class AllowedPlaces implements SpecCheck {
  private readonly allowed: { readonly folders: readonly string[]; readonly buckets: readonly string[] }
  private readonly registry: { readonly folders: readonly string[]; readonly buckets: readonly string[] }

  constructor(private readonly options: AllowedPlacesOptions) {
    this.allowed = byKind(options.allowed)
    this.registry = byKind(options.registry === undefined ? [] : [options.registry])
  }

  /** @throws LayermillError `PLACE_REFUSED` naming the field */
  async checkSpec(spec: RunSpec): Promise<void> {
    for (const [field, place] of placesOf(spec)) await this.checkPlace(field, place)
  }

  /** @param field name of what the place is given as @throws LayermillError `PLACE_REFUSED` naming the field */
  async checkPlace(field: string, place: string): Promise<void> {
    if (await this.allows(field, place)) return
    throw new LayermillError('PLACE_REFUSED', `${field}: ${place} is not below a place that this server allows`, {
      hint: 'layermill serve --allow-path DEST allows a folder or bucket; without it a server with tokens allows buckets only',
    })
  }

  /**
   * Which images a list at an allowed place may name that are elsewhere, by their path or URL as written; undefined where it may name all.
   * A list at another place was not named over HTTP, and may as well.
   */
  async entriesOf(source: string): Promise<((place: string) => boolean) | undefined> {
    const { folders, buckets } = this.allowed
    const restricted = schemeOf(source) === 's3' ? buckets.length > 0 : folders.length > 0
    if (!restricted || !(await this.allows('source', source))) return undefined
    const roots = [...folders, ...(await Promise.all(folders.map(canonical)))]
    return place => (schemeOf(place) === 's3' ? this.allowsBucket(place, buckets) : roots.some(root => isBelow(resolve(place), root, sep)))
  }

  private allowsBucket(place: string, buckets: readonly string[]): boolean {
    // Servers and proxies differ in what they make of it.
    if (place.split('/').includes('..')) return false
    return this.allowed.buckets.length === 0 || buckets.some(root => isBelow(bucketPlace(place), root, '/'))
  }

  private async allows(field: string, place: string): Promise<boolean> {
    const scheme = schemeOf(place)
    const { folders, buckets } = this.allowed
    const own = field === 'model' || field === 'register.root' ? this.registry : byKind([])
    if (scheme === 's3') return this.allowsBucket(place, [...buckets, ...own.buckets])
    if (folders.length === 0 && this.options.otherwise === 'any-folder') return true
    // A place of another scheme is in no store, or is read as a path by code that knows fewer schemes.
    return (scheme === undefined || scheme === 'file') && isBelowAny(place, [...folders, ...own.folders])
  }
}
