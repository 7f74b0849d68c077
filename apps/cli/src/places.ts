import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { RunSpec } from '@layermill/contracts'
import { absolutePlace, schemeOf } from '@layermill/core'
import { networkIds } from '@layermill/models'

/** Weights that are a file, not a name. */
function absoluteWeights(weights: string, cwd: string): string {
  return weights === 'imagenet' || /^random(:\d+)?$/.test(weights) ? weights : absolutePlace(weights, cwd)
}

/** A model that is a folder, not a network's name. */
function absoluteModel(model: string, cwd: string): string {
  if (networkIds.includes(model) || schemeOf(model) !== undefined) return model
  return model.includes('/') || existsSync(resolve(cwd, model)) ? resolve(cwd, model) : model
}

/** Places of a network and its weights, with paths made absolute. */
export function absoluteModelPlaces<Place extends { readonly model: string; readonly weights: string }>(place: Place, cwd: string): Place {
  return { ...place, model: absoluteModel(place.model, cwd), weights: absoluteWeights(place.weights, cwd) }
}

/** The spec with paths made absolute: it is carried out by other processes and kept in run.json. */
export function absolutePlaces<Spec extends RunSpec>(spec: Spec, cwd: string): Spec {
  return {
    ...absoluteModelPlaces(spec, cwd),
    source: absolutePlace(spec.source, cwd),
    ...(spec.out === undefined ? {} : { out: absolutePlace(spec.out, cwd) }),
    ...(spec.kind === 'extract' && spec.reduction !== undefined ? { reduction: absolutePlace(spec.reduction, cwd) } : {}),
    ...(spec.without === undefined ? {} : { without: absolutePlace(spec.without, cwd) }),
    ...(spec.kind === 'finetune' && spec.relabel !== undefined ? { relabel: absolutePlace(spec.relabel, cwd) } : {}),
    ...(spec.cache === undefined ? {} : { cache: absolutePlace(spec.cache, cwd) }),
    ...(spec.kind === 'finetune' && typeof spec.validation === 'string' ? { validation: absolutePlace(spec.validation, cwd) } : {}),
  }
}
