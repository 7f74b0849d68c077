import { LayermillError, openFile } from '@layermill/core'
import { getNetwork, type GraphVariant, networkIds, parameterShapes } from '@layermill/models'
import { planWeights } from './assemble.js'
import { openTensorFile } from './readers/detect.js'
import { relativeOf } from './relatives.js'
import type { TensorFile, WeightFormat, WeightOrigin } from './types.js'

/** Identity of a file of weights. */
export interface IdentifiedWeights {
  /** `resnet50.tv`: what `--model` is with this file. */
  readonly network: string
  /** For `getNetwork`. */
  readonly variant: GraphVariant
  readonly format: WeightFormat
  readonly origin: WeightOrigin
  readonly labels?: readonly string[]
  readonly notes: readonly string[]
}

/** The attempt that came closest says best what is wrong: the one that misses least. */
function closest(file: TensorFile, errors: readonly LayermillError[]): LayermillError {
  const missing = (error: LayermillError): number => Number(/(\d+) missing/.exec(error.message)?.[1] ?? 0)
  const fitting = errors.filter(({ message }) => message.includes('does not fit'))
  const [best] = fitting.toSorted((a, b) => missing(a) - missing(b))
  const relative = relativeOf(file)
  return new LayermillError(
    'WEIGHTS_MISMATCH',
    `${file.name} fits none of the networks; closest: ${(best ?? errors[0])?.message ?? 'none'}`,
    {
      hint: `${relative === undefined ? '' : `it looks like ${relative}; `}expected weights of ${networkIds.join(', ')}; \`layermill models NAME\` lists the layers of one`,
      cause: best,
    },
  )
}

/**
 * Finds out which network a file's weights are of, by names and shapes alone.
 * @throws LayermillError `WEIGHTS_NOT_FOUND`, `WEIGHTS_FORMAT`, `WEIGHTS_TRUNCATED`; `WEIGHTS_MISMATCH` where they are of none.
 */
export async function identifyWeights(path: string): Promise<IdentifiedWeights> {
  await using file = await openFile(path)
  const tensors = { ...(await openTensorFile(file)), path }
  try {
    const errors: LayermillError[] = []
    for (const id of networkIds) {
      const network = getNetwork(id)
      try {
        const { facts } = await planWeights(tensors, network, parameterShapes(network))
        return { network: id, format: tensors.format, ...facts }
      } catch (error) {
        if (!(error instanceof LayermillError) || error.code !== 'WEIGHTS_MISMATCH') throw error
        errors.push(error)
      }
    }
    throw closest(tensors, errors)
  } finally {
    await tensors.close()
  }
}
