import { setImmediate } from 'node:timers/promises'
import { definitionOf, type Initialiser, type Network } from '@layermill/models'
import { elementCount, finish, normalSlices, RandomStream, type Tensor, uniformSlices } from '@layermill/core'
import { splitParameter } from './names/scheme.js'

const graphInitialisers = { convolution: 'heFanOut', linear: 'torchLinear' } as const

type NetworkKind = Pick<Network, 'architecture' | 'family'>

/** Initialiser of a weight of this shape. A graph that was read from a file has no makers here: as torchvision does it. */
function initialiserOf({ architecture, family }: NetworkKind, shape: readonly number[]): Initialiser {
  const kind = shape.length === 2 ? 'linear' : 'convolution'
  const initialisers = family === 'onnx' ? undefined : definitionOf(architecture)?.initialisers[family]
  return (initialisers ?? graphInitialisers)[kind]
}

function fillWeight(initialiser: Initialiser, data: Float32Array, shape: readonly number[], stream: RandomStream): Generator<void> {
  const fanIn = elementCount(shape.slice(1))
  switch (initialiser) {
    case 'normal001':
      return normalSlices(data, 0.01, stream)
    case 'heFanIn':
      return normalSlices(data, Math.sqrt(2 / fanIn), stream)
    case 'heFanOut':
      return normalSlices(data, Math.sqrt(2 / (shape[0]! * elementCount(shape.slice(2)))), stream)
    case 'lecunUniform':
      return uniformSlices(data, Math.sqrt(3 / fanIn), stream)
    case 'torchLinear':
      return uniformSlices(data, 1 / Math.sqrt(fanIn), stream)
  }
}

/**
 * One weight ([out, in, kh, kw] or [out, in]), from a stream of its own named by `seed` and `name`.
 * For heads and other layers that a network did not come with.
 */
export function initialiseWeight(initialiser: Initialiser, name: string, shape: readonly number[], seed: string): Tensor {
  return finish(weightSlices(initialiser, name, shape, seed))
}

function* weightSlices(initialiser: Initialiser, name: string, shape: readonly number[], seed: string): Generator<void, Tensor> {
  const data = new Float32Array(elementCount(shape))
  yield* fillWeight(initialiser, data, shape, new RandomStream(`${seed}\n${name}`))
  return { shape, data }
}

function* parameterSlices(
  network: NetworkKind,
  name: string,
  shapes: ReadonlyMap<string, readonly number[]>,
  seed: string,
): Generator<void, Tensor> {
  const shape = shapes.get(name) ?? []
  const [link, kind] = splitParameter(name)
  if (kind === 'W') return yield* weightSlices(initialiserOf(network, shape), name, shape, seed)
  const data = new Float32Array(elementCount(shape))
  if (kind === 'gamma' || kind === 'avg_var') data.fill(1)
  const weight = shapes.get(`${link}/W`)
  if (kind === 'b' && weight !== undefined && initialiserOf(network, weight) === 'torchLinear') {
    yield* uniformSlices(data, 1 / Math.sqrt(elementCount(weight.slice(1))), new RandomStream(`${seed}\n${name}`))
  }
  return { shape, data }
}

/**
 * One parameter of a network, as its makers initialise it. Batch norms begin as the identity, biases at 0 but for torch's linear layers.
 */
export function initialiseParameter(
  network: NetworkKind,
  name: string,
  shapes: ReadonlyMap<string, readonly number[]>,
  seed: string,
): Tensor {
  return finish(parameterSlices(network, name, shapes, seed))
}

/** All parameters of a network from a seed: the same numbers for the same seed, on every machine. */
export function initialiseAll(network: NetworkKind, shapes: ReadonlyMap<string, readonly number[]>, seed: string): Map<string, Tensor> {
  return new Map([...shapes.keys()].map(name => [name, initialiseParameter(network, name, shapes, seed)]))
}

/** As `initialiseAll`, letting the event loop run every few milliseconds: VGG's 140 million numbers take seconds. */
export async function initialiseGently(
  network: NetworkKind,
  shapes: ReadonlyMap<string, readonly number[]>,
  seed: string,
): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>()
  for (const name of shapes.keys()) {
    const work = parameterSlices(network, name, shapes, seed)
    for (let step = work.next(); ; step = work.next()) {
      if (step.done === true) {
        tensors.set(name, step.value)
        break
      }
      await setImmediate()
    }
  }
  return tensors
}
