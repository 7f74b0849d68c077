import { LayermillError } from '@layermill/core'

/** A registered model as it is asked for: `pets@latest`, `pets@3`. */
export interface ModelReference {
  readonly name: string
  readonly version: number | 'latest'
}

/** One version of a registered model, and where it is. */
export interface VersionPlace {
  /** URL or path of the registry. */
  readonly root: string
  readonly name: string
  readonly version: number
}

const namePattern = /^[a-z0-9][a-z0-9._-]{0,63}$/
const nameRule = 'lower-case letters, digits, dot, dash and underscore, at most 64 characters'

/**
 * Lets a name through that can be a folder's and stand before an `@`.
 * @throws LayermillError `MODEL_NAME_INVALID`
 */
export function checkModelName(name: string): string {
  if (namePattern.test(name) && !name.includes('..')) return name
  throw new LayermillError(
    'MODEL_NAME_INVALID',
    `${JSON.stringify(name.slice(0, 80))} cannot be the name of a registered model; expected ${nameRule}`,
  )
}

/** Parses `NAME@latest` or `NAME@3`; undefined for every other text (a network, a folder, a URL). */
export function parseModelReference(text: string): ModelReference | undefined {
  const [, name, version] = /^([a-z0-9][a-z0-9._-]{0,63})@(latest|[1-9]\d{0,8})$/.exec(text) ?? []
  if (name === undefined || version === undefined || name.includes('..')) return undefined
  return { name, version: version === 'latest' ? 'latest' : Number(version) }
}

/** The folder or URL of a version: what `--model` takes. */
export function versionUrl({ root, name, version }: VersionPlace): string {
  return `${root.replace(/\/+$/, '')}/models/${name}/versions/${version}`
}

/** Which version a model's folder or URL is; undefined where it is none of a registry. */
export function parseVersionUrl(model: string): VersionPlace | undefined {
  const [, root, name, version] = /^(.+)\/models\/([a-z0-9][a-z0-9._-]{0,63})\/versions\/([1-9]\d{0,8})\/?$/.exec(model) ?? []
  return root === undefined || name === undefined || version === undefined ? undefined : { root, name, version: Number(version) }
}

/** A folder is the same whether it is written as a path or as a URL. */
const plain = (root: string): string => (root.startsWith('file://') ? decodeURIComponent(root.slice('file://'.length)) : root)

/** Whether two models are versions of the same registered one. */
export function sameRegisteredModel(a: string, b: string): boolean {
  const [one, other] = [parseVersionUrl(a), parseVersionUrl(b)]
  return one !== undefined && other !== undefined && plain(one.root) === plain(other.root) && one.name === other.name
}

/** @throws LayermillError `REGISTRY_MISSING` where nothing is given and `LAYERMILL_REGISTRY` is not set */
export function requireRegistry(root: string | undefined): string {
  if (root !== undefined) return root
  throw new LayermillError('REGISTRY_MISSING', 'no registry of models is configured', {
    hint: 'give one with --registry DEST or LAYERMILL_REGISTRY: a folder or s3://bucket/prefix',
  })
}
