/** Tensors between this project's layout (NCHW in typed arrays) and TensorFlow.js's (NHWC on a backend). */
import * as tf from '@tensorflow/tfjs-core'
import type { Tensor } from '@layermill/core'

/** A tensor as it is, in its own layout. The portable backend goes on reading the array; others copy it. */
export function upload({ shape, data }: Tensor): tf.Tensor {
  // Native backends do not take views on shared memory.
  return tf.tensor(data.buffer instanceof ArrayBuffer ? data : Float32Array.from(data), [...shape], 'float32')
}

/** A value as the rules take it: [N, C, H, W] as [N, H, W, C], [N, features] as it is. Call within `tf.tidy`. */
export function uploadValue(value: Tensor): tf.Tensor {
  const tensor = upload(value)
  return tensor.rank === 4 ? tf.transpose(tensor, [0, 2, 3, 1]) : tensor
}

/** Waits for a tensor and copies it out, as it is laid out. */
export function download(tensor: tf.Tensor): Tensor {
  // The portable backend gives out its own memory, which other tensors may share.
  return { shape: tensor.shape, data: Float32Array.from(tensor.dataSync()) }
}

/** The opposite of `uploadValue`. */
export function downloadValue(tensor: tf.Tensor): Tensor {
  if (tensor.rank !== 4) return download(tensor)
  const turned = tf.transpose(tensor, [0, 3, 1, 2])
  try {
    return download(turned)
  } finally {
    turned.dispose()
  }
}
