/** Values of transformers' processor of DINOv3, which resizes floats where all others resize levels, by `preparations/make-floats.py`. */
import { readFile } from 'node:fs/promises'
import { preparationFromFile } from '@layermill/models'
import { prepareImage } from '@layermill/preprocess'
import { expect, it } from 'vitest'

interface Summary {
  readonly shape: readonly number[]
  readonly sum: number
  readonly squares: number
  readonly samples: readonly (readonly [place: number, value: number])[]
}

interface Case {
  readonly name: string
  readonly file: unknown
  readonly pictures: Readonly<Record<string, Summary>>
}

const cases = JSON.parse(await readFile(new URL('preparations/floats.json', import.meta.url), 'utf8')) as Case[]

/** Share of the largest number: steps of float32 in another order. */
const tolerance = 1e-6

it.each(
  cases.flatMap(({ name, file, pictures }) => Object.entries(pictures).map(([picture, expected]) => ({ name, file, picture, expected }))),
)('DINOv3 $name of $picture', async ({ name, file, picture, expected }) => {
  const bytes = await readFile(new URL(`prepare/images/${picture}`, import.meta.url))
  for (const tensors of [false, true]) {
    const { preparation, inputSize } = preparationFromFile(file, { where: name, library: 'transformers', tensors })
    const { tensor, inputHeight, inputWidth } = await prepareImage(bytes, preparation, { size: inputSize ?? 'keep' })
    expect([3, inputHeight, inputWidth]).toEqual(expected.shape)
    const largest = tensor.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    for (const [place, value] of expected.samples) expect(Math.abs(tensor[place]! - value)).toBeLessThanOrEqual(tolerance * largest)
    const sum = tensor.reduce((total, value) => total + value, 0)
    const squares = tensor.reduce((total, value) => total + value ** 2, 0)
    expect(Math.abs(sum - expected.sum)).toBeLessThanOrEqual(tolerance * largest * tensor.length)
    expect(Math.abs(squares - expected.squares)).toBeLessThanOrEqual(4 * tolerance * largest ** 2 * tensor.length)
  }
})
