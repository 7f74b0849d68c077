/** Ends of dataset names in Keras files, of version 1 (`fc1_W_1:0`) and later (`kernel:0`), and what they are. */
const rolePatterns: readonly (readonly [RegExp, string])[] = [
  [/(^|_)kernel(_\d+)?(:0)?$|_W(_\d+)?(:0)?$/, 'kernel'],
  [/(^|_)bias(_\d+)?(:0)?$|_b(_\d+)?(:0)?$/, 'bias'],
  [/(^|_)gamma(_\d+)?(:0)?$/, 'gamma'],
  [/(^|_)beta(_\d+)?(:0)?$/, 'beta'],
  [/(^|_)moving_mean(_\d+)?(:0)?$/, 'moving_mean'],
  [/(^|_)moving_variance(_\d+)?(:0)?$/, 'moving_variance'],
]

const linearRoles = ['kernel', 'bias']
const normRoles = ['gamma', 'beta', 'moving_mean', 'moving_variance']

/** State of training, of random layers and of metrics: no parameters of the network. */
const state = /(^|\/)(optimizer|optimizer_weights|_optimizer|metrics|_metrics|seed_generator|_seed_generator)(\/|$)|seed_generator_state/

/** Layer and role of a dataset. */
export interface KerasPath {
  /** The group of a layer as Keras 3 numbers its variables; undefined where datasets have names. */
  readonly variables: string | undefined
  /** `conv1_conv`, or `conv2d_4` where the layer is only counted. */
  readonly layer: string
  readonly role: string | undefined
}

/**
 * A dataset's layer and role from its path: `LAYER/LAYER/kernel:0` of whole models and older weights, `MODEL/LAYER/kernel` of a model
 * within a model, `layers/CLASS_N/vars/I` of Keras 3's weights. Undefined for what is no parameter.
 */
export function parseKerasPath(path: string): KerasPath | undefined {
  if (state.test(path)) return undefined
  const parts = path.split('/')
  const last = parts.at(-1)!
  if (parts.at(-2) === 'vars' && /^\d+$/.test(last)) {
    const layer = parts.at(-3)
    if (layer === undefined) return undefined
    const roles = layer.startsWith('batch_normalization') ? normRoles : linearRoles
    return { variables: parts.slice(0, -1).join('/'), layer, role: roles[Number(last)] }
  }
  return { variables: undefined, layer: parts.at(-2) ?? '', role: rolePatterns.find(([pattern]) => pattern.test(last))?.[1] }
}

/** Whether a zip archive's entry is one of a `.keras` file. */
export const isKerasEntry = (name: string): boolean => ['metadata.json', 'config.json', 'model.weights.h5'].includes(name)
