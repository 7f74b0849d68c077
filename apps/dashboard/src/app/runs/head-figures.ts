/** Figures of one of several targets on held-out images. */
export interface HeadRow {
  readonly name: string
  readonly images: number
  readonly loss: number
  /** Measures of its kind, in words. */
  readonly figures: string
}

const percent = (share: number): string => `${(share * 100).toFixed(1)}%`

/** Words for figures by name: of several labels, of numbers, or of classes. */
function inWords(figures: Readonly<Record<string, number>>): string {
  const { meanAveragePrecision, macroF1, mae, r2, accuracy, top5 } = figures
  if (meanAveragePrecision !== undefined) return `mAP ${percent(meanAveragePrecision)}, F1 ${percent(macroF1 ?? 0)}`
  if (mae !== undefined) return `MAE ${mae.toPrecision(4)}, R2 ${(r2 ?? 0).toFixed(3)}`
  if (accuracy === undefined) return ''
  return `accuracy ${percent(accuracy)}${top5 === undefined ? '' : `, top 5 ${percent(top5)}`}, F1 ${percent(macroF1 ?? 0)}`
}

/** Figures of an epoch by target: those called `validation/TARGET/FIGURE`. */
export function headRows(metrics: Readonly<Record<string, number>>): HeadRow[] {
  const found = new Map<string, Record<string, number>>()
  for (const [key, value] of Object.entries(metrics)) {
    const [, name, figure] = key.split('/')
    if (name !== undefined && figure !== undefined) found.set(name, { ...found.get(name), [figure]: value })
  }
  return [...found].map(([name, figures]) => ({
    name,
    images: figures['images'] ?? 0,
    loss: figures['loss'] ?? NaN,
    figures: inWords(figures),
  }))
}
