import '../../telemetry.js'
import * as ort from 'onnxruntime-node'
import { nchwc, type OnnxGraph } from '../graph.js'
import { createSession, type SessionSettings } from '../session.js'

/** A multiple of all block sizes that the runtime has for some CPU. */
const channels = 64

/** Puts values of two columns into blocks, so that their places show how many channels lie together. */
const graph: OnnxGraph = {
  name: 'layermill-block-size',
  nodes: [{ op: 'ReorderInput', domain: nchwc, inputs: ['value'], outputs: ['blocked'] }],
  initializers: new Map(),
  inputs: [{ name: 'value', shape: [1, channels, 1, 2] }],
  outputs: [{ name: 'blocked', shape: [1, channels, 1, 2] }],
}

/**
 * How many channels lie together in blocked values on this CPU: 16 with AVX-512, 8 with AVX2. Undefined on devices and CPUs where the
 * runtime has no operators on such values.
 */
export async function blockSize(settings: SessionSettings): Promise<number | undefined> {
  if (settings.device !== 'cpu') return undefined
  try {
    const session = await createSession(graph, settings)
    const value = new ort.Tensor(
      'float32',
      Float32Array.from({ length: 2 * channels }, (_, i) => i),
      [1, channels, 1, 2],
    )
    const { blocked } = await session.run({ value })
    await session.release()
    // The second column of the first channel comes after a block of first columns.
    const size = (blocked!.data as Float32Array).indexOf(1)
    return size > 1 ? size : undefined
  } catch {
    return undefined
  }
}
