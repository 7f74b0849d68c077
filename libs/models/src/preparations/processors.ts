import type { Preparation } from '../graph.js'

type Triple = Preparation['mean']

/**
 * Rules of a class's resizing beside the usual ones, which know `shortest_edge`, both edges, `height` and `width`, `max_height` and
 * `max_width`.
 */
export type ProcessorKind =
  | 'usual'
  | 'convnext'
  | 'levit'
  | 'poolformer'
  | 'perceiver'
  | 'efficientnet'
  | 'mobilevit'
  | 'dpt'
  | 'textnet'
  | 'sam'
  | 'dinov3'
  | 'detr'
  | 'yolos'
  | 'vilt'
  | 'glpn'

/** An image processor's class in transformers: what holds where a file is silent. Fields have the names of the files. */
export interface ProcessorClass {
  readonly kind: ProcessorKind
  /** It has a torchvision variant only. */
  readonly tensors?: boolean
  /** A number as `size` is a square, else the shortest edge. */
  readonly default_to_square: boolean
  readonly defaults: Readonly<Record<string, unknown>>
}

const clip: readonly [Triple, Triple] = [
  [0.48145466, 0.4578275, 0.40821073],
  [0.26862954, 0.26130258, 0.27577711],
]
const imagenet: readonly [Triple, Triple] = [
  [0.485, 0.456, 0.406],
  [0.229, 0.224, 0.225],
]
const halves: readonly [Triple, Triple] = [
  [0.5, 0.5, 0.5],
  [0.5, 0.5, 0.5],
]

const square = (side: number): object => ({ height: side, width: side })
const shortest = (side: number): object => ({ shortest_edge: side })

/** Pillow's numbers of filters. */
const [lanczos, bilinear, bicubic] = [1, 2, 3]

/** A class; `crop`: the side of a centre crop, which is done where `cuts`. */
function processor(
  [image_mean, image_std]: readonly [Triple, Triple],
  resample: number,
  size: object,
  others: { kind?: ProcessorKind; crop?: number; cuts?: boolean; square?: boolean; tensors?: boolean; fields?: object } = {},
): ProcessorClass {
  const { kind = 'usual', crop, cuts = crop !== undefined, fields } = others
  return {
    kind,
    ...(others.tensors === true ? { tensors: true } : {}),
    default_to_square: others.square ?? !('shortest_edge' in size),
    defaults: {
      size,
      resample,
      image_mean,
      image_std,
      ...(crop === undefined ? {} : { crop_size: square(crop) }),
      do_center_crop: cuts,
      do_resize: true,
      do_rescale: true,
      rescale_factor: 1 / 255,
      do_normalize: true,
      ...fields,
    },
  }
}

const clipLike = processor(clip, bicubic, shortest(224), { crop: 224 })
const dpt = processor(halves, bicubic, square(384), { kind: 'dpt', fields: { keep_aspect_ratio: false, ensure_multiple_of: 1 } })
const mobilenet = processor(halves, bilinear, shortest(256), { crop: 224 })

/** Detection's: the aspect is kept, and a margin is for pictures that are joined. */
const detr = (kind: ProcessorKind): ProcessorClass =>
  processor(imagenet, bilinear, { shortest_edge: 800, longest_edge: 1333 }, { kind, fields: { do_pad: true } })

/** Classes of transformers 5.18 for one picture at a time and one tensor of it, by their names without `ImageProcessor`. */
export const processors: Readonly<Record<string, ProcessorClass>> = {
  Beit: processor(halves, bicubic, square(224), { crop: 224, cuts: false }),
  Bit: clipLike,
  Blip: processor(clip, bicubic, square(384)),
  Chameleon: processor(
    [
      [1, 1, 1],
      [1, 1, 1],
    ],
    lanczos,
    shortest(512),
    { crop: 512, fields: { rescale_factor: 0.0078 } },
  ),
  ChineseCLIP: clipLike,
  CLIP: clipLike,
  ConditionalDetr: detr('detr'),
  ConvNext: processor(halves, bicubic, shortest(384), { kind: 'convnext', fields: { crop_pct: 224 / 256 } }),
  DeformableDetr: detr('detr'),
  DeiT: processor(halves, bicubic, square(256), { crop: 224 }),
  Detr: detr('detr'),
  // It has a torchvision variant only, which scales levels before it resizes them.
  DINOv3ViT: processor(imagenet, bilinear, square(224), { kind: 'dinov3' }),
  DPT: dpt,
  EfficientNet: processor(halves, bicubic, square(346), {
    kind: 'efficientnet',
    crop: 289,
    cuts: false,
    fields: { rescale_offset: false, include_top: true },
  }),
  Flava: processor(clip, bicubic, square(224), { crop: 224 }),
  Gemma3: processor(halves, bilinear, square(224)),
  GLPN: processor(
    halves,
    bilinear,
    {},
    {
      kind: 'glpn',
      fields: { do_normalize: false, size_divisor: 32, image_mean: null, image_std: null },
    },
  ),
  GroundingDino: detr('detr'),
  LayoutLMv3: processor(halves, bilinear, square(224)),
  Levit: processor(imagenet, bicubic, shortest(224), { kind: 'levit', crop: 224 }),
  Llava: processor(clip, bicubic, shortest(224), { crop: 224 }),
  MobileNetV1: mobilenet,
  MobileNetV2: mobilenet,
  MobileViT: processor(halves, bicubic, shortest(224), { kind: 'mobilevit', crop: 256, fields: { do_flip_channel_order: true } }),
  OwlViT: processor(clip, bicubic, square(768), { crop: 768, cuts: false }),
  Perceiver: processor(imagenet, bicubic, square(224), { kind: 'perceiver', crop: 256 }),
  PoolFormer: processor(imagenet, bicubic, shortest(224), { kind: 'poolformer', crop: 224, fields: { crop_pct: 0.9 } }),
  PPChart2Table: processor(clip, bicubic, square(1024)),
  PromptDepthAnything: dpt,
  Pvt: processor(imagenet, bicubic, square(224)),
  RTDetr: processor(imagenet, bilinear, square(640), { kind: 'detr', square: false, fields: { do_normalize: false, do_pad: false } }),
  Sam: processor(imagenet, bilinear, { longest_edge: 1024 }, { kind: 'sam', fields: { do_pad: true, pad_size: square(1024) } }),
  Sam2: processor(imagenet, bilinear, square(1024), { tensors: true }),
  Segformer: processor(imagenet, bilinear, square(512)),
  Siglip: processor(halves, bicubic, square(224), { square: false }),
  TextNet: processor(imagenet, bilinear, shortest(640), { kind: 'textnet', crop: 224, cuts: false, fields: { size_divisor: 32 } }),
  Vilt: processor(halves, bicubic, shortest(384), { kind: 'vilt', fields: { do_pad: true, size_divisor: 32 } }),
  ViT: processor(halves, bilinear, square(224)),
  Yolos: detr('yolos'),
}

const [patches, videos, twice, pairs] = [
  'it cuts each picture into patches, as many as the picture gives',
  'it takes videos',
  'it resizes twice',
  'it takes two pictures, in grey',
]

/** Classes that do something beside resizing, cutting, margins and normalising one picture, with what that is. */
export const unsupportedProcessors: Readonly<Record<string, string>> = {
  Donut: twice,
  EfficientLoFTR: pairs,
  Fuyu: patches,
  GotOcr2: patches,
  Idefics2: patches,
  Idefics3: patches,
  ImageGPT: 'it replaces colours by the nearest of a palette',
  Kosmos2_5: patches,
  LightGlue: pairs,
  LlavaNext: patches,
  LlavaOnevision: patches,
  Mllama: patches,
  Nougat: twice,
  Owlv2: 'it fills pictures up to squares and resizes them by splines behind a Gaussian blur',
  Pix2Struct: patches,
  Pixtral: patches,
  Qwen2VL: patches,
  Siglip2: patches,
  SmolVLM: patches,
  SuperGlue: pairs,
  Tvp: videos,
  VideoLlava: videos,
  VideoMAE: videos,
  VitMatte: 'it takes a mask beside the picture',
  VitPose: 'it cuts persons out of a picture, by boxes',
  Vivit: videos,
}

/** Model types of `config.json` whose class has another name, for files that name no class. */
const otherTypes: Readonly<Record<string, readonly string[]>> = {
  Beit: ['data2vec-vision'],
  Bit: ['dinov2', 'dinov2_with_registers', 'focalnet', 'hiera', 'pixio'],
  Blip: ['blip-2', 'instructblip'],
  ChineseCLIP: ['chinese_clip'],
  CLIP: [
    'aimv2',
    'aimv2_vision_model',
    'altclip',
    'clip_vision_model',
    'florence2',
    'git',
    'groupvit',
    'kosmos-2',
    'metaclip_2',
    'mlcd',
    'vipllava',
    'xclip',
  ],
  ConditionalDetr: ['conditional_detr'],
  ConvNext: ['convnextv2', 'cvt', 'regnet', 'resnet'],
  DeformableDetr: ['deformable_detr'],
  Detr: ['table-transformer'],
  DINOv3ViT: ['dinov3_vit', 'dinov3_convnext'],
  DPT: ['depth_anything'],
  EfficientNet: ['align'],
  MobileNetV1: ['mobilenet_v1'],
  MobileNetV2: ['mobilenet_v2'],
  MobileViT: ['mobilevitv2'],
  GroundingDino: ['grounding-dino', 'mm-grounding-dino'],
  PromptDepthAnything: ['prompt_depth_anything'],
  Pvt: ['pvt_v2'],
  RTDetr: ['rt_detr', 'rt_detr_v2', 'd_fine'],
  Sam: ['sam_hq'],
  Sam2: ['sam2_hiera_det_model', 'sam2_vision_model', 'sam2_video', 'edgetam'],
  Segformer: ['upernet'],
  Siglip: ['gemma3n', 'paligemma', 'siglip_vision_model'],
  ViT: ['clipseg', 'dinat', 'ijepa', 'mgp-str', 'swiftformer', 'swin', 'swinv2', 'trocr', 'vit_mae', 'vit_msn'],
}

/** The name in `processors` of the class for a model type; undefined where none is known. */
export function processorOfType(type: string): string | undefined {
  const other = Object.keys(otherTypes).find(name => otherTypes[name]!.includes(type))
  return other ?? Object.keys(processors).find(name => name.toLowerCase() === type.toLowerCase())
}
