import type { Preparation, Size2 } from '../graph.js'
import { torchvisionPreparation } from '../networks/shared/preparations.js'

type Normalisation = Pick<Preparation, 'mean' | 'std'>

/** Short side before the cut, side of the cut, filter; mean and deviation where they are not ImageNet's. */
type Preset = readonly [resize: number, crop: number, resample: 'bilinear' | 'bicubic', normalisation?: Normalisation]

const plain: Preset = [256, 224, 'bilinear']
const wide: Preset = [232, 224, 'bilinear']
const swag: Preset = [224, 224, 'bicubic']
const halves: Normalisation = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }
/** Of the VGG16 that was converted from Caffe: pixels stay in 0..255. */
const levels: Normalisation = { mean: [0.48235, 0.45882, 0.40784], std: [1 / 255, 1 / 255, 1 / 255] }

type Presets = Readonly<Record<string, Preset>>
const first: Presets = { IMAGENET1K_V1: plain }
const both: Presets = { IMAGENET1K_V1: plain, IMAGENET1K_V2: wide }

/** `transforms()` of all weights for classification in torchvision 0.28.0, by the name of the enumeration; its `DEFAULT` comes last. */
const enumerations: Readonly<Record<string, Presets>> = {
  AlexNet_Weights: first,
  ConvNeXt_Base_Weights: { IMAGENET1K_V1: wide },
  ConvNeXt_Large_Weights: { IMAGENET1K_V1: wide },
  ConvNeXt_Small_Weights: { IMAGENET1K_V1: [230, 224, 'bilinear'] },
  ConvNeXt_Tiny_Weights: { IMAGENET1K_V1: [236, 224, 'bilinear'] },
  DenseNet121_Weights: first,
  DenseNet161_Weights: first,
  DenseNet169_Weights: first,
  DenseNet201_Weights: first,
  EfficientNet_B0_Weights: { IMAGENET1K_V1: [256, 224, 'bicubic'] },
  EfficientNet_B1_Weights: { IMAGENET1K_V1: [256, 240, 'bicubic'], IMAGENET1K_V2: [255, 240, 'bilinear'] },
  EfficientNet_B2_Weights: { IMAGENET1K_V1: [288, 288, 'bicubic'] },
  EfficientNet_B3_Weights: { IMAGENET1K_V1: [320, 300, 'bicubic'] },
  EfficientNet_B4_Weights: { IMAGENET1K_V1: [384, 380, 'bicubic'] },
  EfficientNet_B5_Weights: { IMAGENET1K_V1: [456, 456, 'bicubic'] },
  EfficientNet_B6_Weights: { IMAGENET1K_V1: [528, 528, 'bicubic'] },
  EfficientNet_B7_Weights: { IMAGENET1K_V1: [600, 600, 'bicubic'] },
  EfficientNet_V2_L_Weights: { IMAGENET1K_V1: [480, 480, 'bicubic', halves] },
  EfficientNet_V2_M_Weights: { IMAGENET1K_V1: [480, 480, 'bilinear'] },
  EfficientNet_V2_S_Weights: { IMAGENET1K_V1: [384, 384, 'bilinear'] },
  GoogLeNet_QuantizedWeights: { IMAGENET1K_FBGEMM_V1: plain },
  GoogLeNet_Weights: first,
  Inception_V3_QuantizedWeights: { IMAGENET1K_FBGEMM_V1: [342, 299, 'bilinear'] },
  Inception_V3_Weights: { IMAGENET1K_V1: [342, 299, 'bilinear'] },
  MaxVit_T_Weights: { IMAGENET1K_V1: swag },
  MNASNet0_5_Weights: first,
  MNASNet0_75_Weights: { IMAGENET1K_V1: wide },
  MNASNet1_0_Weights: first,
  MNASNet1_3_Weights: { IMAGENET1K_V1: wide },
  MobileNet_V2_QuantizedWeights: { IMAGENET1K_QNNPACK_V1: plain },
  MobileNet_V2_Weights: both,
  MobileNet_V3_Large_QuantizedWeights: { IMAGENET1K_QNNPACK_V1: plain },
  MobileNet_V3_Large_Weights: both,
  MobileNet_V3_Small_Weights: first,
  RegNet_X_16GF_Weights: both,
  RegNet_X_1_6GF_Weights: both,
  RegNet_X_32GF_Weights: both,
  RegNet_X_3_2GF_Weights: both,
  RegNet_X_400MF_Weights: both,
  RegNet_X_800MF_Weights: both,
  RegNet_X_8GF_Weights: both,
  RegNet_Y_128GF_Weights: { IMAGENET1K_SWAG_LINEAR_V1: swag, IMAGENET1K_SWAG_E2E_V1: [384, 384, 'bicubic'] },
  RegNet_Y_16GF_Weights: {
    IMAGENET1K_V1: plain,
    IMAGENET1K_SWAG_E2E_V1: [384, 384, 'bicubic'],
    IMAGENET1K_SWAG_LINEAR_V1: swag,
    IMAGENET1K_V2: wide,
  },
  RegNet_Y_1_6GF_Weights: both,
  RegNet_Y_32GF_Weights: {
    IMAGENET1K_V1: plain,
    IMAGENET1K_SWAG_E2E_V1: [384, 384, 'bicubic'],
    IMAGENET1K_SWAG_LINEAR_V1: swag,
    IMAGENET1K_V2: wide,
  },
  RegNet_Y_3_2GF_Weights: both,
  RegNet_Y_400MF_Weights: both,
  RegNet_Y_800MF_Weights: both,
  RegNet_Y_8GF_Weights: both,
  ResNet101_Weights: both,
  ResNet152_Weights: both,
  ResNet18_QuantizedWeights: { IMAGENET1K_FBGEMM_V1: plain },
  ResNet18_Weights: first,
  ResNet34_Weights: first,
  ResNet50_QuantizedWeights: { IMAGENET1K_FBGEMM_V1: plain, IMAGENET1K_FBGEMM_V2: wide },
  ResNet50_Weights: both,
  ResNeXt101_32X8D_QuantizedWeights: { IMAGENET1K_FBGEMM_V1: plain, IMAGENET1K_FBGEMM_V2: wide },
  ResNeXt101_32X8D_Weights: both,
  ResNeXt101_64X4D_QuantizedWeights: { IMAGENET1K_FBGEMM_V1: wide },
  ResNeXt101_64X4D_Weights: { IMAGENET1K_V1: wide },
  ResNeXt50_32X4D_Weights: both,
  ShuffleNet_V2_X0_5_QuantizedWeights: { IMAGENET1K_FBGEMM_V1: plain },
  ShuffleNet_V2_X0_5_Weights: first,
  ShuffleNet_V2_X1_0_QuantizedWeights: { IMAGENET1K_FBGEMM_V1: plain },
  ShuffleNet_V2_X1_0_Weights: first,
  ShuffleNet_V2_X1_5_QuantizedWeights: { IMAGENET1K_FBGEMM_V1: wide },
  ShuffleNet_V2_X1_5_Weights: { IMAGENET1K_V1: wide },
  ShuffleNet_V2_X2_0_QuantizedWeights: { IMAGENET1K_FBGEMM_V1: wide },
  ShuffleNet_V2_X2_0_Weights: { IMAGENET1K_V1: wide },
  SqueezeNet1_0_Weights: first,
  SqueezeNet1_1_Weights: first,
  Swin_B_Weights: { IMAGENET1K_V1: [238, 224, 'bicubic'] },
  Swin_S_Weights: { IMAGENET1K_V1: [246, 224, 'bicubic'] },
  Swin_T_Weights: { IMAGENET1K_V1: [232, 224, 'bicubic'] },
  Swin_V2_B_Weights: { IMAGENET1K_V1: [272, 256, 'bicubic'] },
  Swin_V2_S_Weights: { IMAGENET1K_V1: [260, 256, 'bicubic'] },
  Swin_V2_T_Weights: { IMAGENET1K_V1: [260, 256, 'bicubic'] },
  VGG11_BN_Weights: first,
  VGG11_Weights: first,
  VGG13_BN_Weights: first,
  VGG13_Weights: first,
  VGG16_BN_Weights: first,
  VGG16_Weights: { IMAGENET1K_FEATURES: [256, 224, 'bilinear', levels], IMAGENET1K_V1: plain },
  VGG19_BN_Weights: first,
  VGG19_Weights: first,
  ViT_B_16_Weights: { IMAGENET1K_SWAG_E2E_V1: [384, 384, 'bicubic'], IMAGENET1K_SWAG_LINEAR_V1: swag, IMAGENET1K_V1: plain },
  ViT_B_32_Weights: first,
  ViT_H_14_Weights: { IMAGENET1K_SWAG_LINEAR_V1: swag, IMAGENET1K_SWAG_E2E_V1: [518, 518, 'bicubic'] },
  ViT_L_16_Weights: {
    IMAGENET1K_SWAG_E2E_V1: [512, 512, 'bicubic'],
    IMAGENET1K_SWAG_LINEAR_V1: swag,
    IMAGENET1K_V1: [242, 224, 'bilinear'],
  },
  ViT_L_32_Weights: first,
  Wide_ResNet101_2_Weights: both,
  Wide_ResNet50_2_Weights: both,
}

/** Names of all weights that are known, as `ResNet50_Weights.IMAGENET1K_V2`. */
export function torchvisionWeights(): string[] {
  return Object.entries(enumerations).flatMap(([name, presets]) => Object.keys(presets).map(preset => `${name}.${preset}`))
}

function presetOf(weights: string): Preset | undefined {
  const [name = '', preset = 'DEFAULT', ...rest] = weights.split('.')
  const presets = Object.hasOwn(enumerations, name) && rest.length === 0 ? enumerations[name]! : {}
  if (preset === 'DEFAULT') return Object.values(presets).at(-1)
  return Object.hasOwn(presets, preset) ? presets[preset] : undefined
}

/** torchvision's preset: the short side to `resize`, a square of `crop` from the centre, mean and deviation of pixels in [0, 1]. */
export function torchvisionPreset(
  resize: number,
  crop: number,
  resample: Preparation['resample'],
  { mean, std }: Normalisation = torchvisionPreparation,
): { preparation: Preparation; inputSize: Size2 } {
  const input: Size2 = [crop, crop]
  const isUsual = crop === 224 && resize >= crop && (resample === 'bilinear' || resample === 'bicubic')
  return {
    inputSize: input,
    preparation: {
      channels: 'rgb',
      divisor: 255,
      mean,
      std,
      resize: isUsual
        ? { kind: 'crop', shortSide: resize }
        : { kind: 'rule', input, to: { by: 'short', side: resize }, crop: { size: input, rounding: 'even' } },
      resample,
    },
  }
}

/**
 * How torchvision prepares images for weights by their name, as `ResNet50_Weights.IMAGENET1K_V2` or `.DEFAULT`; undefined where it has
 * none.
 */
export function torchvisionWeightsPreparation(weights: string): { preparation: Preparation; inputSize: Size2 } | undefined {
  const preset = presetOf(weights)
  return preset && torchvisionPreset(...preset)
}
