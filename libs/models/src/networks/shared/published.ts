/** Formats of files of weights. */
export type FileFormat = 'safetensors' | 'npz' | 'caffemodel' | 'h5' | 'keras'

/** A file of pretrained weights that others publish. */
export interface PublishedFile {
  /** The name it is kept under. */
  readonly file: string
  readonly format: FileFormat
  /** Tried in this order. */
  readonly urls: readonly string[]
  readonly bytes?: number
  /** Checked before use, the strongest that is known. A file without any is checked by its structure only. */
  readonly hashes: { readonly sha256?: string; readonly sha1?: string; readonly md5?: string }
  readonly licence: string
  /** Trainer of the weights. */
  readonly origin: string
}

/** Published files of one network. Hashes and sizes come from several independent catalogues; docs/weights.md says which are missing. */
export interface PublishedWeights {
  /** The first is the one to have; the others are what to do without it. */
  readonly files: readonly PublishedFile[]
  /** Why there is nothing to fetch, and what to do. */
  readonly unavailable?: string
}

const kerasFolder = 'https://storage.googleapis.com/tensorflow/keras-applications'
const hub = 'https://huggingface.co'

/** A file of keras.applications, which a release of its repository has too. */
export function kerasFile(
  network: string,
  known: { folder: string; mirror: string; md5: string; bytes?: number; licence: string },
): PublishedFile {
  const file = `${network}_weights_tf_dim_ordering_tf_kernels.h5`
  return {
    file,
    format: 'h5',
    urls: [`${kerasFolder}/${known.folder}/${file}`, `${known.mirror}/${file}`],
    ...(known.bytes === undefined ? {} : { bytes: known.bytes }),
    hashes: { md5: known.md5 },
    licence: known.licence,
    origin: 'keras.applications',
  }
}

/** torchvision's first weights of a network, as timm publishes them. */
export function timmFile(network: string, known: { sha256?: string; bytes?: number; revision?: string } = {}): PublishedFile {
  const name = `${network}.tv_in1k`
  return {
    file: `${name}.safetensors`,
    format: 'safetensors',
    urls: [`${hub}/timm/${name}/resolve/${known.revision ?? 'main'}/model.safetensors`],
    ...(known.bytes === undefined ? {} : { bytes: known.bytes }),
    hashes: known.sha256 === undefined ? {} : { sha256: known.sha256 },
    licence: 'BSD-3-Clause; trained on ImageNet, whose terms may apply',
    origin: 'torchvision IMAGENET1K_V1, as published by timm',
  }
}

/** Folders where the first networks' files are mirrored. */
export const openvinoFolder = 'https://storage.openvinotoolkit.org/repositories/open_model_zoo/public/2022.1'
