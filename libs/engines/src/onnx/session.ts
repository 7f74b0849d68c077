import '../telemetry.js'
import * as ort from 'onnxruntime-node'
import { concatenate } from '@layermill/core'
import type { Device } from '../engine.js'
import { hasInt8Instructions } from '../int8-instructions.js'
import type { OnnxGraph } from './graph.js'
import { modelProto, rawBytes } from './proto.js'
import { weightFolders, writeWeightFile } from './weight-file.js'

export interface SessionSettings {
  readonly device: Device
  /** Threads inside one operator. */
  readonly threads: number
  /** Keeps memory for the next run; default: true. */
  readonly arena?: boolean
}

/** Initializers of at least this many bytes stay out of the model. */
const externalBytes = 1024
/** From this many bytes on, external initializers go through a file: below, making one costs more than copying. */
const fileBytes = 1 << 22

/** The runtime's options for a session, as measured in docs/decisions/0051. */
export function sessionOptions(
  { device, threads, arena = true }: SessionSettings,
  int8Instructions = false,
): ort.InferenceSession.SessionOptions {
  return {
    executionProviders: device === 'cpu' ? ['cpu'] : [device, 'cpu'],
    // Includes the blocked layout of convolutions, which is worth a third.
    graphOptimizationLevel: 'all',
    intraOpNumThreads: threads,
    executionMode: 'sequential',
    enableCpuMemArena: arena,
    // One allocation as large as all activations, freed and faulted in again by every run.
    enableMemPattern: false,
    // Threads waiting for each other's share of an operator sleep: spinning takes the cores that decode images.
    extra: {
      'session.intra_op.allow_spinning': '0',
      // Weights are shifted to uint8 on a CPU whose 8-bit products overflow (no VNNI), so that every CPU computes the same. On other CPUs
      // the runtime would shift them as well, and take three times as long for the same numbers.
      'session.x64quantprecision': int8Instructions ? '0' : '1',
      // Of two quantisations behind each other the runtime would drop the coarser one's steps (findings/onnxruntime-two-quantisations.sh).
      'session.disable_double_qdq_remover': '1',
    },
  }
}

function externalInitializers(graph: OnnxGraph): Map<string, Uint8Array> {
  const external = new Map<string, Uint8Array>()
  for (const [name, tensor] of graph.initializers) {
    if (tensor.type !== 'int64' && tensor.data.byteLength >= externalBytes) external.set(name, rawBytes(tensor.data))
  }
  return external
}

/**
 * A session of a graph. The graph and its tensors are not needed afterwards.
 *
 * Large weights reach the runtime through a temporary file that it maps; where no file can be written, as memory, which the runtime
 * copies (docs/decisions/0050). Either way the model itself stays small, so that no limit on a model's size applies.
 *
 * @param folders where the file may go, first to last.
 * @param onWritten called once the tensors' values are not read any more: before the runtime makes its own of them, where they are in a file.
 */
export async function createSession(
  graph: OnnxGraph,
  settings: SessionSettings,
  folders: readonly string[] = weightFolders(),
  onWritten: () => void = () => undefined,
): Promise<ort.InferenceSession> {
  const external = externalInitializers(graph)
  const bytes = [...external.values()].reduce((sum, data) => sum + data.byteLength, 0)
  const file = bytes >= fileBytes ? await writeWeightFile(external, folders) : undefined
  const options = sessionOptions(settings, (await hasInt8Instructions()) === true)
  if (file === undefined) {
    const places = new Map([...external.keys()].map(name => [name, { location: name, offset: 0 }]))
    const externalData = [...external].map(([path, data]) => ({ path, data }))
    const session = await ort.InferenceSession.create(concatenate(modelProto(graph, places)), { ...options, externalData })
    onWritten()
    return session
  }
  try {
    const extra = { ...options.extra, 'session.model_external_initializers_file_folder_path': file.folder }
    const model = concatenate(modelProto(graph, file.places))
    onWritten()
    return await ort.InferenceSession.create(model, { ...options, extra })
  } finally {
    await file.remove()
  }
}
