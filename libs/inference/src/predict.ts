/** One of the likeliest classes of an image. */
export interface ClassScore {
  readonly index: number
  readonly label: string
  /** 0..1. */
  readonly probability: number
}

/** The `top` likeliest classes, likeliest first; ties in the order of the classes. */
export function topClasses(probabilities: Float32Array, labels: readonly string[], top: number): ClassScore[] {
  return Array.from(probabilities, (probability, index) => ({ index, label: labels[index] ?? `class ${index}`, probability }))
    .sort((a, b) => b.probability - a.probability || a.index - b.index)
    .slice(0, top)
}
