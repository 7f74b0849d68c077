import type { Engine } from '@layermill/engines'
import type { RunRecord } from '@layermill/contracts'
import { inputOf, layerShapes, type Network, type Preparation } from '@layermill/models'
import { cutsCentre } from '../part/centre.js'

/** Raised where Layermill itself comes to compute other numbers from the same: what was kept before is then not found any more. */
const computationVersion = 1

export interface ComputationInput {
  readonly record: RunRecord
  readonly network: Network
  readonly engine: Pick<Engine, 'name' | 'version' | 'device'>
  /** The engine's numeric class: machines of another have other bits. */
  readonly cpu: string
}

/** A preparation's numbers in one order, whoever wrote them. */
const inputText = (input: Omit<Preparation, 'resample'>): unknown[] => {
  const { channels, divisor, mean, std, again, resize } = inputOf(input)
  const rule = resize.kind === 'rule' ? resize : null
  const numbers = resize.kind === 'crop' ? resize.shortSide : resize.kind === 'share' ? resize.share : rule
  return [channels, divisor, mean, std, resize.kind, numbers, ...(again === undefined ? [] : [again])]
}

/**
 * Everything that decides the numbers a run has of an image's bytes at one layer, in one way of writing. The image is not in it, nor what
 * only says where they go: format, part and batch size. A vector is the same however feature maps are pooled.
 */
export function computationOf({ record, network, engine, cpu }: ComputationInput, layer: string): string {
  const { model, weights, preparation, precision, calibration, pool, dtype, reduction, reductionFit } = record.identity
  const { version, size, resample, autoOrient, oversample, decode, augment, input } = preparation
  const inputSize = size === 'keep' ? undefined : ([size.height, size.width] as const)
  const isMap = layerShapes(network, [layer], inputSize).get(layer)!.length === 3
  return JSON.stringify({
    version: computationVersion,
    model,
    weights,
    layer,
    preparation: {
      version,
      size: size === 'keep' ? size : [size.height, size.width],
      resample,
      autoOrient,
      ...(decode === undefined ? {} : { decode }),
      input: inputText(input ?? network.preparation),
      view: oversample ? 'ten crops' : cutsCentre(record, network) ? 'centre' : 'whole',
      augment: augment === undefined ? null : [augment.names, augment.seed, augment.copy],
    },
    precision,
    calibration: calibration ?? null,
    pool: isMap ? pool : 'none',
    dtype,
    ...(reduction?.[layer] === undefined ? {} : { reduction: [reduction[layer], reductionFit ?? null] }),
    engine: [engine.name, engine.version, engine.device, cpu],
  })
}
