import type { Device, EngineName } from '@layermill/engines'
import { computeRunFeatures, createProvider, openStoreFile } from '@layermill/inference'
import { classify, type ErrorCode, LayermillError } from '@layermill/core'
import { ExtractSpec } from '@layermill/contracts'
import { loadWeights, type WeightSet } from '@layermill/weights'
import { type FeatureSet, storedFeatures } from '@layermill/orchestrator/features'
import { type ImageSource, openSource } from '@layermill/storage'
import type { Output } from '../output/output.js'
import { WeightsProgressNotes } from '../output/weights-progress.js'
import { absoluteModelPlaces } from '../places.js'

/** Target of the search: an image's features, computed here or taken from the set. */
export interface QueryOptions {
  readonly key?: string
  readonly model?: string
  readonly weights?: string
  readonly device?: string
  readonly engine?: string
  readonly requestPayer?: boolean
  /** False for public buckets. */
  readonly signRequest?: boolean
}

/** The bytes of one image: a file, or an object of a bucket. @throws LayermillError `SOURCE_KIND`, and as the source */
async function readImage(image: string, { requestPayer, signRequest }: QueryOptions): Promise<{ key: string; bytes: Uint8Array }> {
  await using source = await openSource(image, { access: { requestPayer, noSignRequest: signRequest === false ? true : undefined } })
  if (source.kind !== 'image')
    throw new LayermillError('SOURCE_KIND', `${image} is a ${source.kind} of images, expected one image`, {
      hint: 'an image of the set itself is named by --key',
    })
  for await (const item of source.items()) return { key: item.key, bytes: await source.read(item) }
  throw new LayermillError('SOURCE_MISSING', `${image} does not exist`)
}

/** Codes that mean that the run's network or weights are not where its record says. */
const elsewhere = new Set<string>([
  'ADDRESS_REFUSED',
  'WEIGHTS_NOT_FOUND',
  'WEIGHTS_UNAVAILABLE',
  'WEIGHTS_HASH',
  'MODEL_UNKNOWN',
  'STORE_MISSING',
  'STORE_DENIED',
  'STORE_UNREACHABLE',
] satisfies ErrorCode[])

/** Says how to name the weights where they cannot be found. */
function withPlaceHint(error: unknown, { record }: FeatureSet): unknown {
  if (!(error instanceof LayermillError) || !elsewhere.has(error.code)) return error
  const { model, weights } = record.spec
  return new LayermillError(error.code, error.message, {
    cause: error,
    hint: `The features are of ${model} with weights ${weights}, SHA-256 ${record.identity.weights.slice(0, 12)}. --weights (or --model, of a fine-tuned model) says where these are now; images of the set itself (--key) need none.`,
  })
}

/** An error of the image itself says which one it is of. */
function withImageName(error: unknown, image: string): unknown {
  if (!(error instanceof LayermillError) || classify(error).scope !== 'image' || error.message.includes(image)) return error
  return new LayermillError(error.code, `${image}: ${error.message}`, { cause: error, hint: error.hint })
}

/** One field of an extraction, checked as that is. */
function field<Name extends 'device' | 'engine'>(name: Name, value: string | undefined, otherwise: string): Device | EngineName | 'auto' {
  const parsed = ExtractSpec.shape[name].safeParse(value ?? otherwise)
  if (parsed.success) return parsed.data
  throw new LayermillError('SPEC_INVALID', `--${name}: got ${JSON.stringify(value)}`)
}

async function computeQuery(output: Output, set: FeatureSet, image: string, options: QueryOptions): Promise<Float32Array> {
  const { record } = set
  if (record.replacing !== undefined) {
    throw new LayermillError('NOT_RECORDED', `${set.store.url}: its features are being replaced by those of another version of the model`, {
      hint: 'finish the update first, or ask with --key',
    })
  }
  const notes = new WeightsProgressNotes(process.stderr)
  const engine = field('engine', options.engine, record.spec.engine) as EngineName
  const device = record.identity.precision === 'int8' ? 'cpu' : (field('device', options.device, 'auto') as Device | 'auto')
  // The author of the run named its weights: a URL of theirs must not lead into the network here.
  const load = (model: string, source: string): Promise<WeightSet> =>
    loadWeights(model, source, { open: openStoreFile, publicOnly: options.weights === undefined, onProgress: state => notes.update(state) })
  await using provider = createProvider({ engine, device, load, note: text => output.note(text) })
  try {
    const { key, bytes } = await readImage(image, options)
    const place = absoluteModelPlaces(
      { model: options.model ?? record.spec.model, weights: options.weights ?? record.spec.weights },
      process.cwd(),
    )
    return await computeRunFeatures({ provider, record, store: set.store, layer: set.layer.name, bytes, key, place })
  } catch (error) {
    throw withPlaceHint(withImageName(error, image), set)
  } finally {
    notes.finish()
  }
}

/**
 * The file of the image that is looked for.
 * @param source of the run, where the image is one of its own
 * @throws as reading the image does
 */
export async function queryBytes(image: string | undefined, source: ImageSource, options: QueryOptions): Promise<Uint8Array> {
  return image === undefined ? source.read({ key: options.key! }) : (await readImage(image, options)).bytes
}

/**
 * The features to look for: those of an image file, computed as the run computed its own, or those that the run has of an image.
 * @throws LayermillError `SPEC_INVALID` for both or neither, `IMAGE_UNKNOWN`, and as reading the image and computing it
 */
export async function queryFeatures(
  output: Output,
  set: FeatureSet,
  image: string | undefined,
  options: QueryOptions,
): Promise<Float32Array> {
  if ((image === undefined) === (options.key === undefined)) {
    throw new LayermillError(
      'SPEC_INVALID',
      'similar: expected an image (a file or s3://bucket/key) or --key, the key of an image of the set',
    )
  }
  return image === undefined ? storedFeatures(set, options.key!) : computeQuery(output, set, image, options)
}
