/** Values that Keras, torchvision and timm computed from the same files: make.py of libraries/. */
import { readFile } from 'node:fs/promises'
import type { Tensor } from '@layermill/core'
import { getNetwork, namedPreparation } from '@layermill/models'
import { prepareImage } from '@layermill/preprocess'
import { expect } from 'vitest'
import { differenceFrom, type Summary } from './summary.js'

export interface LibraryValues {
  readonly picture: string
  readonly prepare: string
  readonly layers: Readonly<Record<string, Summary>>
}

/** Largest difference of a layer, in units of its largest value. */
const tolerance = 1e-5

export const readLibraryJson = async <T>(name: string): Promise<T> =>
  JSON.parse(await readFile(new URL(`libraries/${name}.json`, import.meta.url), 'utf8')) as T

/** @param name `keras-vgg16` */
export async function readLibrary(name: string): Promise<LibraryValues> {
  const values = await readLibraryJson<LibraryValues>(name)
  expect(Object.keys(values.layers).length).toBeGreaterThanOrEqual(8)
  return values
}

/** A file prepared by the name of a preparation, for the network's usual size or that of the preparation. */
export async function prepared(picture: string, model: string, prepare: string): Promise<Tensor> {
  const { preparation, inputSize } = namedPreparation(prepare, getNetwork(model))
  const { tensor, inputHeight, inputWidth } = await prepareImage(
    await readFile(new URL(`prepare/images/${picture}`, import.meta.url)),
    preparation,
    { size: inputSize },
  )
  return { shape: [1, 3, inputHeight, inputWidth], data: tensor }
}

export function expectLibrary(actual: ReadonlyMap<string, Tensor>, layers: LibraryValues['layers']): void {
  for (const [name, summary] of Object.entries(layers)) {
    expect(actual.get(name)!.shape, name).toEqual(summary.shape)
    expect(differenceFrom(summary, actual.get(name)!.data), `largest difference of ${name}`).toBeLessThanOrEqual(tolerance)
  }
}
