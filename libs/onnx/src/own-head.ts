import type { GraphHead } from '@layermill/models'
import type { OnnxModel } from './model.js'

const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every(text => typeof text === 'string')

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? 'null')
  } catch {
    return undefined
  }
}

/** The head of classes that a file's metadata tells of; undefined where they tell of none, of another target, or of another than the file has. */
export function ownHead({ model, graph }: OnnxModel): GraphHead | undefined {
  const value = parsed(model.metadata.get('layermill.head'))
  const classes = parsed(model.metadata.get('layermill.classes'))
  if (typeof value !== 'object' || value === null || !isTexts(classes) || model.metadata.has('layermill.target')) return undefined
  const { layer, head, tensors } = value as Record<string, unknown>
  if (typeof layer !== 'string' || !isTexts(tensors) || !Array.isArray(head) || head.length > 2) return undefined
  const hidden = (head as unknown[]).map(item => {
    const { units, dropout = 0 } = (typeof item === 'object' && item !== null ? item : {}) as Record<string, unknown>
    return { units, dropout }
  })
  const isHidden = (item: { units: unknown; dropout: unknown }): item is { units: number; dropout: number } =>
    Number.isInteger(item.units) && typeof item.dropout === 'number' && item.dropout >= 0 && item.dropout < 1
  if (!hidden.every(isHidden) || tensors.length !== 2 * (hidden.length + 1)) return undefined
  const rows = [...hidden.map(({ units }) => units), classes.length]
  const fits = rows.every((count, i) => {
    const [weight, bias] = [tensors[2 * i]!, tensors[2 * i + 1]!].map(name => graph.initializers.get(name)?.dims)
    return weight?.length === 2 && weight[0] === count && bias?.join() === String(count) && (i === 0 || weight[1] === rows[i - 1])
  })
  return fits ? { layer, head: hidden, classes, tensors } : undefined
}
