import type { Tensor } from '@layermill/core'

/** Cross entropy of softmax against targets [N, classes] whose rows carry the weights, summed over the batch, in float64. */
export function crossEntropySum(scores: Tensor, targets: Tensor): number {
  const classes = scores.shape[1]!
  const { data } = scores
  let loss = 0
  for (let start = 0; start < data.length; start += classes) {
    let top = -Infinity
    for (let c = 0; c < classes; c++) top = Math.max(top, data[start + c]!)
    let total = 0
    for (let c = 0; c < classes; c++) total += Math.exp(data[start + c]! - top)
    const logTotal = top + Math.log(total)
    for (let c = 0; c < classes; c++) loss += targets.data[start + c]! * (logTotal - data[start + c]!)
  }
  return loss
}

/** How many rows have their highest score (the first of equals) at their label. */
export function countCorrect({ data, shape }: Tensor, labels: Int32Array): number {
  const classes = shape[1]!
  let correct = 0
  for (const [row, label] of labels.entries()) {
    let best = 0
    for (let c = 1; c < classes; c++) if (data[row * classes + c]! > data[row * classes + best]!) best = c
    if (best === label) correct++
  }
  return correct
}
