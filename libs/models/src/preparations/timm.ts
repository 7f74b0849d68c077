import type { Architecture, Preparation, Size2 } from '../graph.js'
import { isDeviation, isNumber, isObject, isSide, isTriple } from './fields.js'
import { torchvisionPreparation } from '../architectures/preparation.js'

/** How one of timm's models prepares its images, and the size it takes. */
export interface TimmPreparation {
  readonly preparation: Preparation
  readonly inputSize: Size2
}

/** `crop_pct`, `interpolation` and the side of `input_size` as timm's `pretrained_cfg` has them; all have ImageNet's mean and deviation. */
type Config = readonly [cropShare: number, resample: Preparation['resample'], side: number]

/** timm's way, by the numbers of a `pretrained_cfg`. Mean and deviation are of pixels in [0, 1], in RGB. */
export function timmPreparation(
  [share, resample, side]: Config,
  { mean, std }: Pick<Preparation, 'mean' | 'std'> = torchvisionPreparation,
): TimmPreparation {
  return { preparation: { channels: 'rgb', divisor: 255, mean, std, resize: { kind: 'share', share }, resample }, inputSize: [side, side] }
}

const plain: Config = [0.875, 'bilinear', 224]
const bicubic: Config = [0.875, 'bicubic', 224]
const wide: Config = [0.95, 'bicubic', 224]
const small: Config = [0.95, 'bicubic', 160]
const v2: Config = [0.875, 'bilinear', 176]

const deep: Readonly<Record<string, Config>> = {
  a1_in1k: wide,
  a1h_in1k: wide,
  a2_in1k: wide,
  a3_in1k: small,
  gluon_in1k: bicubic,
  tv2_in1k: v2,
  tv_in1k: plain,
}

/** The tags of timm 1.0.29's models of these architectures. timm has no GoogLeNet. */
const tags: Readonly<Partial<Record<Architecture, Readonly<Record<string, Config>>>>> = {
  vgg16: { tv_in1k: plain },
  vgg19: { tv_in1k: plain },
  resnet50: {
    ...deep,
    a1h_in1k: [0.9, 'bicubic', 176],
    am_in1k: bicubic,
    b1k_in1k: wide,
    b2k_in1k: wide,
    bt_in1k: bicubic,
    c1_in1k: wide,
    c2_in1k: wide,
    d_in1k: wide,
    fb_ssl_yfcc100m_ft_in1k: plain,
    fb_swsl_ig1b_ft_in1k: plain,
    ra_in1k: bicubic,
    ram_in1k: bicubic,
  },
  resnet101: deep,
  resnet152: deep,
}

/** The tags that timm has of an architecture. */
export function timmTags(architecture: Architecture): string[] {
  return Object.keys(tags[architecture] ?? {}).toSorted()
}

/** How timm prepares images for `ARCHITECTURE.TAG` by default (`use_test_size` off); undefined where it has no such model. */
export function timmTagPreparation(architecture: Architecture, tag: string): TimmPreparation | undefined {
  const known = tags[architecture] ?? {}
  return Object.hasOwn(known, tag) ? timmPreparation(known[tag]!) : undefined
}

/** Contents of timm's `config.json`: the name of its model, its tag, and how it prepares images. */
export interface TimmConfig {
  readonly name: string
  readonly preparation: Preparation
  readonly inputSize: Size2
}

const usual: readonly unknown[] = ['bicubic', 'bilinear', 'nearest', 'lanczos'] satisfies Preparation['resample'][]
const isUsual = (value: unknown): value is Preparation['resample'] => usual.includes(value)

/**
 * Reads the `config.json` that timm writes beside `model.safetensors`, where it has the usual way: a square, cut at the centre. Undefined
 * for the
 * `config.json` of another library or of another architecture, and for other ways, which are for `preparationFromFile`.
 */
export function timmConfig(value: unknown, architecture: string): TimmConfig | undefined {
  if (!isObject(value) || value['architecture'] !== architecture || !isObject(value['pretrained_cfg'])) return undefined
  const { tag, input_size: size, interpolation, crop_pct: share, crop_mode: mode = 'center', mean, std } = value['pretrained_cfg']
  const side = Array.isArray(size) && size.length === 3 && size[1] === size[2] ? (size[1] as unknown) : undefined
  if (!isSide(side) || !isUsual(interpolation) || !isNumber(share) || share <= 0 || share > 1 || mode !== 'center') return undefined
  if (!isTriple(mean) || !isDeviation(std)) return undefined
  const name = typeof tag === 'string' && tag !== '' ? `timm:${tag}` : 'timm'
  return { name, ...timmPreparation([share, interpolation, side], { mean: [...mean], std: [...std] }) }
}
