import type { FinetuneSpec } from '@layermill/contracts'
import { elementCount, exitCodes } from '@layermill/core'
import { learnableShapes } from '@layermill/models'
import { checkSpec } from '@layermill/orchestrator/check'
import { describeTraining, type TrainingDescription } from '@layermill/orchestrator/train'
import { formatBytes, formatCount, formatPlural, formatTable } from '../../output/format.js'
import type { Output } from '../../output/output.js'
import { planOnServer } from '../../run/plan.js'
import { type RunOptions, withComposition } from '../../run/carry-out.js'

type Classes = Pick<TrainingDescription, 'classes' | 'warnings'> & Partial<Pick<TrainingDescription, 'images' | 'notes'>>
type Steps = Pick<TrainingDescription, 'stepsPerEpoch'> & { readonly features?: TrainingDescription['features'] }

function printClasses(output: Output, { images: all, classes, warnings, notes = [] }: Classes): void {
  // A server of an earlier version says how many images each class has and no more.
  const images = (all === undefined ? classes : [all]).reduce((sum, { training, validation }) => sum + training + validation, 0)
  output.line(`${formatPlural(images, 'image')} in ${formatPlural(classes.length, 'class', 'classes')}\n`)
  output.line(
    formatTable(
      ['class', '>training', '>held out'],
      classes.map(({ name, training, validation }) => [name, formatCount(training), formatCount(validation)]),
    ),
  )
  for (const note of notes) output.note(note)
  for (const warning of warnings) output.note(`warning: ${warning}`)
}

function printSteps(output: Output, spec: FinetuneSpec, { stepsPerEpoch, features }: Steps): void {
  output.line(
    `${formatPlural(spec.epochs, 'epoch')} of ${formatPlural(stepsPerEpoch, 'update')}, ${spec.batchSize} images each in micro-batches of ${spec.microBatch}`,
  )
  if (features !== undefined)
    output.line(`the base does not change: ${features.layer} is computed once for each image (${formatBytes(features.bytes)} in all)`)
}

function print(output: Output, spec: FinetuneSpec, description: TrainingDescription): void {
  const { network, trainable } = description
  printClasses(output, description)
  const shapes = learnableShapes(network)
  const count = (names: Iterable<string>): number => [...names].reduce((sum, name) => sum + elementCount(shapes.get(name) ?? []), 0)
  output.line(`\n${network.id}: ${formatCount(count(trainable))} of ${formatCount(count(shapes.keys()))} parameters learn`)
  printSteps(output, spec, description)
}

async function planThere(output: Output, spec: FinetuneSpec, options: RunOptions): Promise<number> {
  const plan = await planOnServer(output, spec, options)
  if (options.json) output.json(plan)
  else if (plan.kind === 'finetune') {
    printClasses(output, plan)
    output.line(`\n${plan.model}: ${formatPlural(plan.trainable, 'parameter tensor')} learn`)
    printSteps(output, spec, plan)
  }
  return exitCodes.done
}

/** `layermill finetune --plan`: what the run would train on what; computes and writes nothing. */
export async function planFinetune(output: Output, spec: FinetuneSpec, options: RunOptions): Promise<number> {
  if (options.server !== undefined) return planThere(output, spec, options)
  await checkSpec(spec)
  return withComposition(
    output,
    spec,
    async () => ({}),
    async ({ training }) => {
      const description = await describeTraining(spec, training)
      if (options.json) output.json({ ...description, network: description.network.id })
      else print(output, spec, description)
      return exitCodes.done
    },
  )
}
