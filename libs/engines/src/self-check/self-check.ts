import { LayermillError } from '@layermill/core'
import { getNetwork } from '@layermill/models'
import { referenceInput, referenceWeights } from '@layermill/weights'
import type { Engine, ExtractorOptions } from '../engine.js'
import { selfCheckValues } from './values.js'

/** How far an engine is from the stored values of a network. */
export interface SelfCheck {
  /** The layer that was compared. */
  readonly layer: string
  /** Largest difference, in units of the layer's largest value. */
  readonly maxAbs: number
  /** Cosine of the angle between computed and stored values. */
  readonly cosine: number
}

/** Largest drift that is float rounding; more means that the engine computes something else. */
export const selfCheckTolerance = 1e-3
/** Of float16, whose values have 11 bits. */
export const float16Tolerance = 1e-2

/**
 * Computes a stored picture with stored weights on this very engine and compares the network's default layer with what Chainer or
 * torchvision computed. The weights of the run play no part: the check is of graph, engine and device.
 *
 * @param networkId as `resnet50` or `resnet50.tv`
 * @throws LayermillError `SELF_CHECK` where the drift is beyond 1e-3, or 1e-2 in float16
 */
export async function selfCheck(
  engine: Engine,
  networkId: string,
  { float16 = false }: Pick<ExtractorOptions, 'float16'> = {},
): Promise<SelfCheck> {
  const tolerance = float16 ? float16Tolerance : selfCheckTolerance
  const network = getNetwork(networkId)
  const values = selfCheckValues[networkId]
  if (values === undefined) {
    throw new LayermillError('SELF_CHECK', `${networkId}: no values are stored that another system computed`, {
      hint: 'leave the self-check out; libs/engines/src/self-check/values.ts is where they would be',
    })
  }
  const { layer, absMax, samples } = values
  await using extractor = await engine.extractor(network, referenceWeights(network), [layer], { inputSize: network.inputSize, float16 })
  const { data } = (await extractor.run(referenceInput(network))).get(layer)!
  let [maxAbs, dot, computedNorm, storedNorm] = [0, 0, 0, 0]
  for (const [index, stored] of samples) {
    const computed = data[index]!
    maxAbs = Math.max(maxAbs, Math.abs(computed - stored) / absMax)
    dot += computed * stored
    computedNorm += computed ** 2
    storedNorm += stored ** 2
  }
  const result = { layer, maxAbs, cosine: dot / Math.sqrt(computedNorm * storedNorm) }
  if (maxAbs <= tolerance) return result
  throw new LayermillError(
    'SELF_CHECK',
    `${networkId} on ${engine.name}/${engine.device}: ${layer} differs from the stored values by ${maxAbs.toExponential(1)} of its largest value (cosine ${result.cosine.toFixed(6)}), more than ${tolerance}`,
    {
      hint: 'this device or driver does not compute what the network is; use another --device or --engine',
    },
  )
}
