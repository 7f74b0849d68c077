import type { Resample } from '@layermill/models'
import * as z from 'zod'

const triple = z.tuple([z.number(), z.number(), z.number()])
const fixedTriple = triple.readonly()
const above = z.number().positive()
const side = z.int().positive().max(16_384)
const size = z.tuple([side, side]).readonly()

/** Size that a picture gets; see `ResizeTarget` of libs/models. */
const target = z.discriminatedUnion('by', [
  z.object({ by: z.literal('none') }),
  z.object({ by: z.enum(['size', 'within', 'cover', 'contain']), size }),
  z.object({ by: z.literal('short'), side, longest: side.optional(), multiple: side.optional(), down: side.optional() }),
  z.object({ by: z.literal('between'), side, longest: side, multiple: side }),
  z.object({ by: z.literal('own'), multiple: side }),
  z.object({ by: z.literal('long'), side }),
  z.object({ by: z.literal('near'), size, multiple: side }),
])

const resize = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('exact') }),
  z.object({ kind: z.literal('crop'), shortSide: z.int().positive() }),
  z.object({ kind: z.literal('share'), share: z.number().positive().max(1) }),
  z.object({
    kind: z.literal('rule'),
    input: size.optional(),
    before: z
      .tuple([z.number().positive().max(16), z.number().positive().max(16)])
      .readonly()
      .optional(),
    to: target,
    crop: z.object({ size, of: size.optional(), rounding: z.enum(['floor', 'trunc', 'even']), fill: fixedTriple.optional() }).optional(),
    pad: size.optional(),
    around: z.boolean().optional(),
  }),
])

/** How pixels become the network's input, by numbers: `Preparation` of libs/models but for the filter, which a run names by itself. */
export const InputNumbers = z.object({
  channels: z.enum(['bgr', 'rgb']),
  divisor: z.number().positive(),
  mean: triple,
  std: triple,
  again: z
    .array(z.object({ mean: fixedTriple, std: fixedTriple }))
    .max(8)
    .readonly()
    .optional(),
  resize,
})
export type InputNumbers = z.output<typeof InputNumbers>

/** Filters of Pillow's `resize`, and torchvision's for tensors of levels and of floats. */
export const ResampleName = z.enum([
  'bicubic',
  'bilinear',
  'nearest',
  'lanczos',
  'box',
  'hamming',
  'torchvision-bicubic',
  'torchvision-bilinear',
  'torchvision-nearest',
  'torchvision-lanczos',
  'float-bicubic',
  'float-bilinear',
] satisfies Resample[])

/** A way of preparing images by its numbers, as a library's file has it: what `--prepare FILE` becomes. */
export const SpecPreparation = z.strictObject(
  {
    /** For people. */
    name: z.string().min(1).max(200).default('file'),
    preparation: InputNumbers.extend({ std: z.tuple([above, above, above]), resample: ResampleName }),
    /** Height and width that come out; left out where each picture has a size of its own. */
    inputSize: size.optional(),
  },
  { error: 'a name, or a preparation by its numbers' },
)
export type SpecPreparation = z.output<typeof SpecPreparation>
