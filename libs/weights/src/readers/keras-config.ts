import type { ModelFacts } from '../types.js'

/** Largest description of a model that is looked at; ResNet-152's has about 500 kB. */
export const maxConfigBytes = 16 * 1024 * 1024
const maxLayers = 20_000
const maxDepth = 8

interface Layer {
  readonly type: string
  readonly activation: string | undefined
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** `softmax`, or `{ class_name: 'function', config: 'softmax' }`. */
function activationOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return isObject(value) ? activationOf(value['config']) : undefined
}

/** All layers in the model's order, those of models within it in their place. */
function flatten(model: unknown, layers: Layer[], depth: number): void {
  const config = isObject(model) ? model['config'] : undefined
  // A Sequential of Keras 2.0 is its list of layers itself.
  const inner = isObject(config) ? config['layers'] : config
  if (!Array.isArray(inner) || depth > maxDepth) return
  for (const layer of inner) {
    if (!isObject(layer) || typeof layer['class_name'] !== 'string' || layers.length >= maxLayers) continue
    const own = layer['config']
    if (Array.isArray(own) || (isObject(own) && Array.isArray(own['layers']))) flatten(layer, layers, depth + 1)
    else layers.push({ type: layer['class_name'], activation: isObject(own) ? activationOf(own['activation']) : undefined })
  }
}

/** Layers that leave a prediction as it is, or are part of a plain end. */
const plain = new Set([
  'GlobalAveragePooling2D',
  'Flatten',
  'Dense',
  'Dropout',
  'InputLayer',
  'Activation',
  'Softmax',
  'ReLU',
  'MaxPooling2D',
])
/** Layers in front of the network that change the pixels. */
const inputChanges = new Set([
  'Rescaling',
  'Normalization',
  'Lambda',
  'BatchNormalization',
  'TFOpLambda',
  'TrueDivide',
  'Divide',
  'Multiply',
  'Subtract',
])
const features = new Set(['Conv2D', 'Add', 'Concatenate'])

function otherHead(tail: readonly Layer[]): string | undefined {
  const odd = [...new Set(tail.map(({ type }) => type).filter(type => !plain.has(type)))]
  if (odd.length > 0) return `it has ${odd.join(', ')}`
  const linear = tail.filter(({ type }) => type === 'Dense')
  const hidden = linear.slice(0, -1).find(({ activation }) => activation !== 'relu')
  return hidden === undefined ? undefined : `a layer before the last has the activation ${hidden.activation ?? 'none'}`
}

/** Whether the last activation is one that makes no shares of one whole. */
function scoresOnly(tail: readonly Layer[]): boolean {
  const last = tail.findLastIndex(({ type }) => type === 'Dense')
  if (last < 0) return false
  const activations = tail.slice(last).map(({ type, activation }) => (type === 'Softmax' ? 'softmax' : activation))
  return activations.some(activation => activation !== undefined && activation !== 'softmax' && activation !== 'linear')
}

/** Facts from the description of a Keras model: its end, and its operations on images. Nothing in the description is carried out. */
export function kerasFacts(text: string): ModelFacts {
  let model: unknown
  try {
    model = JSON.parse(text)
  } catch {
    return {}
  }
  const layers: Layer[] = []
  flatten(model, layers, 0)
  const first = layers.findIndex(({ type }) => type === 'Conv2D')
  if (first < 0) return {}
  const tail = layers.slice(layers.findLastIndex(({ type }) => features.has(type)) + 1)
  const changes = [
    ...new Set(
      layers
        .slice(0, first)
        .map(({ type }) => type)
        .filter(type => inputChanges.has(type)),
    ),
  ]
  const other = tail.some(({ type }) => type === 'Dense') ? otherHead(tail) : undefined
  return {
    ...(other === undefined ? {} : { otherHead: other }),
    ...(scoresOnly(tail) ? { scoresOnly: true } : {}),
    ...(changes.length > 0
      ? {
          notes: [
            `the model changes its input itself (${changes.join(', ')}), which is not done here: prepare images so that the network behind gets the same`,
          ],
        }
      : {}),
  }
}
