import type { WeightFormat } from './types.js'

/** A file of pretrained weights that others publish. */
export interface PublishedFile {
  /** The name it is kept under. */
  readonly file: string
  readonly format: Exclude<WeightFormat, 'random' | 'onnx'>
  /** Tried in this order. */
  readonly urls: readonly string[]
  readonly bytes?: number
  /** Checked before use, the strongest that is known. A file without any is checked by its structure only. */
  readonly hashes: { readonly sha256?: string; readonly sha1?: string; readonly md5?: string }
  readonly licence: string
  /** Trainer of the weights. */
  readonly origin: string
}

export interface PublishedWeights {
  /** The first is the one to have; the others are what to do without it. */
  readonly files: readonly PublishedFile[]
  /** Why there is nothing to fetch, and what to do. */
  readonly unavailable?: string
}

/** Published weights by network id. */
export type WeightRegistry = Readonly<Record<string, PublishedWeights>>

const OXFORD = 'http://www.robots.ox.ac.uk/~vgg/software/very_deep/caffe'
const OPENVINO = 'https://storage.openvinotoolkit.org/repositories/open_model_zoo/public/2022.1'
const KERAS = 'https://storage.googleapis.com/tensorflow/keras-applications'
const KERAS_RELEASES = 'https://github.com/keras-team/keras-applications/releases/download/resnet'
const VGG_RELEASES = 'https://github.com/fchollet/deep-learning-models/releases/download/v0.1'
const HUB = 'https://huggingface.co'
const MSRA_LICENCE = 'MIT (c) 2016 Shaoqing Ren'
const TORCHVISION_LICENCE = 'BSD-3-Clause; trained on ImageNet, whose terms may apply'

const oneDrive = (id: number): string =>
  `https://onedrive.live.com/download?cid=4006CBB8476FF777&resid=4006CBB8476FF777%21${id}&authkey=%21AAFW2%2DFVoxeVRck`

function kerasFile(network: string, folder: string, md5: string, bytes: number | undefined, mirror: string): PublishedFile {
  const file = `${network}_weights_tf_dim_ordering_tf_kernels.h5`
  return {
    file,
    format: 'h5',
    urls: [`${KERAS}/${folder}/${file}`, `${mirror}/${file}`],
    ...(bytes === undefined ? {} : { bytes }),
    hashes: { md5 },
    licence: network.startsWith('vgg') ? 'CC BY 4.0' : MSRA_LICENCE,
    origin: 'keras.applications',
  }
}

function timmFile(network: string, known: { sha256?: string; bytes?: number; revision?: string }): PublishedFile {
  const name = `${network}.tv_in1k`
  return {
    file: `${name}.safetensors`,
    format: 'safetensors',
    urls: [`${HUB}/timm/${name}/resolve/${known.revision ?? 'main'}/model.safetensors`],
    ...(known.bytes === undefined ? {} : { bytes: known.bytes }),
    hashes: known.sha256 === undefined ? {} : { sha256: known.sha256 },
    licence: TORCHVISION_LICENCE,
    origin: 'torchvision IMAGENET1K_V1, as published by timm',
  }
}

/** All known files. Hashes and sizes come from several independent catalogues; docs/weights.md says which are missing. */
export const PUBLISHED_WEIGHTS: WeightRegistry = {
  vgg16: {
    files: [
      {
        file: 'VGG_ILSVRC_16_layers.caffemodel',
        format: 'caffemodel',
        urls: [`${OXFORD}/VGG_ILSVRC_16_layers.caffemodel`, `${OPENVINO}/vgg16/VGG_ILSVRC_16_layers.caffemodel`],
        bytes: 553432081,
        hashes: {
          sha256: 'a6196bc498e45ea4cb2637114ae8db9410cf1556fd60a55ae93272371beba197',
          sha1: '9363e1f6d65f7dba68c4f27a1e62105cdf6c4e24',
        },
        licence: 'CC BY 4.0',
        origin: 'Visual Geometry Group, University of Oxford',
      },
      kerasFile('vgg16', 'vgg16', '64373286793e3c8b2b4e3219cbf3544b', 553467096, VGG_RELEASES),
    ],
  },
  vgg19: {
    files: [
      {
        file: 'VGG_ILSVRC_19_layers.caffemodel',
        format: 'caffemodel',
        urls: [`${OXFORD}/VGG_ILSVRC_19_layers.caffemodel`, `${OPENVINO}/vgg19/VGG_ILSVRC_19_layers.caffemodel`],
        bytes: 574671192,
        hashes: {
          sha256: '31b4c627c40c6ee151325f079b7ac557fddbd1f79af932888796127a4f4f6954',
          sha1: '239785e7862442717d831f682bb824055e51e9ba',
        },
        licence: 'CC BY 4.0',
        origin: 'Visual Geometry Group, University of Oxford',
      },
      kerasFile('vgg19', 'vgg19', 'cbe5617147190e668d6c5d5026f83318', 574710816, VGG_RELEASES),
    ],
  },
  googlenet: {
    files: [
      {
        file: 'bvlc_googlenet.caffemodel',
        format: 'caffemodel',
        urls: ['http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel', `${OPENVINO}/googlenet-v1/bvlc_googlenet.caffemodel`],
        bytes: 53533754,
        hashes: {
          sha256: '6f7101e3a2183738a7125a0c5021ba82a1feb4228c5ca0924d991b6daf6f6fad',
          sha1: '405fc5acd08a3bb12de8ee5e23a96bec22f08204',
        },
        licence: 'unrestricted',
        origin: 'Berkeley Vision and Learning Center',
      },
    ],
  },
  resnet50: {
    files: [
      {
        file: 'ResNet-50-model.caffemodel',
        format: 'caffemodel',
        urls: ['https://dl.opencv.org/models/ResNet-50-model.caffemodel', oneDrive(17895)],
        bytes: 102462397,
        hashes: {
          sha256: '44ee2b08816cede2b7aaa047888df07dcab52f73399aa1c8bef05a17bfdd4888',
          sha1: 'b7c79ccc21ad0479cddc0dd78b1d20c4d722908d',
        },
        licence: MSRA_LICENCE,
        origin: 'Microsoft Research Asia',
      },
      kerasFile('resnet50', 'resnet', '2cb95161c43110f7111970584f804107', 102967424, KERAS_RELEASES),
    ],
  },
  resnet101: {
    files: [
      {
        file: 'ResNet-101-model.caffemodel',
        format: 'caffemodel',
        urls: [oneDrive(17896)],
        bytes: 178662602,
        hashes: {
          sha256: '2847d93346d7928ec1f257f49f60ea53e9075c15265c494469610e67ffb7f2e2',
          sha1: '1dbf5f493926bb9b6b3363b12d5133c0f8b78904',
        },
        licence: MSRA_LICENCE,
        origin: 'Microsoft Research Asia',
      },
      kerasFile('resnet101', 'resnet', 'f1aeb4b969a6efcfb50fad2f0c20cfc5', 179648224, KERAS_RELEASES),
    ],
  },
  resnet152: {
    files: [
      {
        file: 'ResNet-152-model.caffemodel',
        format: 'caffemodel',
        urls: [oneDrive(17897)],
        bytes: 241444171,
        hashes: {
          sha256: '6253c4c4132c0b25c112b166629aa57dcaeec044a4c68ac9f003b6c801329d55',
          sha1: '251edb93604ac8268c7fd2227a0f15144310e1aa',
        },
        licence: MSRA_LICENCE,
        origin: 'Microsoft Research Asia',
      },
      kerasFile('resnet152', 'resnet', '100835be76be38e30d865e96f2aaae62', undefined, KERAS_RELEASES),
    ],
  },
  'vgg16.tv': {
    files: [
      timmFile('vgg16', {
        sha256: '57b026918159a6bf9faf8405c3a551903768e7138989d9c6224a14227203fad8',
        revision: 'b8d8aa2dd860af9233c8c67385a8097fd6c35d3f',
      }),
    ],
  },
  'vgg19.tv': { files: [timmFile('vgg19', {})] },
  'resnet50.tv': {
    files: [
      timmFile('resnet50', {
        sha256: '5d061a3c593d795bfe682d9b152bafbcf550579873492def3515b46db1189888',
        bytes: 102469840,
        revision: '78f3ecfdb38e06d9b8397f662e7ab8fee96026fa',
      }),
    ],
  },
  'resnet101.tv': { files: [timmFile('resnet101', {})] },
  'resnet152.tv': { files: [timmFile('resnet152', {})] },
  'googlenet.tv': {
    files: [],
    unavailable:
      "torchvision publishes its GoogLeNet only as googlenet-1378be20.pth, a Python pickle, which is never unpickled here. Where torchvision is installed, save it once: safetensors.torch.save_file(torchvision.models.googlenet(weights='IMAGENET1K_V1').state_dict(), 'googlenet.safetensors'); then give that file to --weights, or keep it with `layermill weights import`",
  },
}
