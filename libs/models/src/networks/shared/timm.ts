import type { Preparation } from '../../graph.js'

/** `crop_pct`, `interpolation` and the side of `input_size` as timm's `pretrained_cfg` has them; all have ImageNet's mean and deviation. */
export type TimmSettings = readonly [cropShare: number, resample: Preparation['resample'], side: number]

export const timmPlain: TimmSettings = [0.875, 'bilinear', 224]
export const timmBicubic: TimmSettings = [0.875, 'bicubic', 224]
export const timmWide: TimmSettings = [0.95, 'bicubic', 224]
