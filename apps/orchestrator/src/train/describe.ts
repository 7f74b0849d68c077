import type { FinetuneSpec } from '@layermill/contracts'
import { elementCount } from '@layermill/core'
import { type FineTunedNetwork, layerShapes } from '@layermill/models'
import { stepsPerEpoch } from '@layermill/training'
import { continuedNetwork, headNotes } from './continued-head.js'
import { correctionsOf } from './corrections.js'
import { ownOrder } from './class-order.js'
import { accessOf } from '../run/source-access.js'
import { checkNoFolderEmpty, listLabelled, splitsAsClasses } from './dataset.js'
import type { TrainingEnvironment } from './environment.js'
import { baseIsFixed, featuresLayer, parameterScales, trainedNetwork } from './plan.js'
import { foldOf, holdOutTargets, labelsOf, outputNames, ownTargets, readTargets } from './targets.js'

/** Description of what a run would do. */
export interface TrainingDescription {
  readonly images: { readonly training: number; readonly validation: number }
  /** Images that count for each output. */
  readonly classes: readonly { readonly name: string; readonly training: number; readonly validation: number }[]
  /** Warnings about the images, in sentences. */
  readonly warnings: readonly string[]
  /** Notes on the fate of the head of the model that it starts from. */
  readonly notes: readonly string[]
  readonly network: FineTunedNetwork
  readonly trainable: readonly string[]
  readonly stepsPerEpoch: number
  /** Of a base that does not change. */
  readonly features: { readonly layer: string; readonly bytes: number } | undefined
}

/**
 * Describes the run that a spec makes of the images that are there, without reading them.
 * @throws LayermillError as the run does before it computes anything
 */
export async function describeTraining(spec: FinetuneSpec, environment: TrainingEnvironment): Promise<TrainingDescription> {
  const { strict, skipUnlabelled } = spec
  const listing = { strict, skipUnlabelled }
  const corrections = await correctionsOf(spec, url => environment.runs.openStore(url))
  const list = async (place: string) => {
    await using source = await environment.openLabelled(place, accessOf(place, spec))
    return readTargets(
      { rows: await listLabelled(source, place, { ...listing, ...(place === spec.source ? corrections : {}) }), order: ownOrder(source) },
      spec,
    )
  }
  const found = await list(spec.source)
  const { rows } = found
  const { target } = spec
  const { network: base } = await environment.base(spec)
  const names = outputNames(found, spec.source, spec, continuedNetwork(spec, base) === undefined ? 2 : 1)
  if (target === undefined || target === 'class') await checkNoFolderEmpty(spec.source, names)
  const doubt = splitsAsClasses(spec.source, names)
  const { validation: held } = spec
  const network = trainedNetwork(spec, base, names)
  const whole =
    typeof held === 'number'
      ? holdOutTargets(rows, names, held, spec)
      : ownTargets(rows, (await list(held)).rows, network.classNames ?? names, held, spec)
  const { training, validation, warnings } = foldOf(whole, spec.fold, spec)
  const scales = parameterScales(spec, network)
  const layer = baseIsFixed(spec) ? featuresLayer(spec, base) : undefined
  const copies = spec.augment.length > 0 ? spec.augmentCopies : 1
  const perImage = layer === undefined ? 0 : elementCount(layerShapes(base, [layer], network.inputSize).get(layer)!) * 4
  const count = (of: typeof training, name: string): number => of.filter(row => labelsOf(row, spec, names).includes(name)).length
  return {
    images: { training: training.length, validation: validation.length },
    classes: names.map(name => ({ name, training: count(training, name), validation: count(validation, name) })),
    warnings: doubt === undefined ? warnings : [doubt, ...warnings],
    notes: headNotes(spec, base, names),
    network,
    trainable: [...scales].filter(([, scale]) => scale !== 0).map(([name]) => name),
    stepsPerEpoch: stepsPerEpoch(training.length, spec.batchSize),
    features: layer === undefined ? undefined : { layer, bytes: perImage * (training.length * copies + validation.length) },
  }
}
