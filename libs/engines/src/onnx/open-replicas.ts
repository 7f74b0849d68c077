import type { Device } from '../engine.js'
import type { ThreadClient } from '../thread/client.js'
import type { EngineThreads } from '../thread/engine-threads.js'
import { buffersOf } from '../thread/transfer.js'
import { Replicas, type Replica } from './replicas.js'
import type { GraphTrainParams, TrainerLoaded, TrainParams } from './trainer-protocol.js'

export interface ReplicaSetup<Params extends TrainParams | GraphTrainParams = TrainParams> {
  /** How many; 1 or more. */
  readonly count: number
  readonly device: Device
  /** Made for each replica, which keeps the weights. */
  params(): Promise<Params>
}

interface Opened {
  readonly replica: Replica
  readonly loaded: TrainerLoaded
}

type AnySetup = ReplicaSetup<TrainParams | GraphTrainParams>

function make(client: ThreadClient, params: TrainParams | GraphTrainParams): Promise<TrainerLoaded> {
  const buffers = buffersOf(params.weights.values())
  return 'training' in params ? client.request('trainGraph', params, buffers) : client.request('train', params, buffers)
}

async function inMainThread({ main }: EngineThreads, setup: AnySetup): Promise<Opened> {
  const params = await setup.params()
  const loaded = await make(main, params)
  const { trainer } = loaded
  return { replica: { client: main, trainer, release: () => main.free('releaseTrainer', { trainer }) }, loaded }
}

async function inThreadOfItsOwn(threads: EngineThreads, setup: AnySetup): Promise<Opened> {
  const params = await setup.params()
  const client = await threads.open({ devices: [setup.device], threads: params.threads })
  try {
    const loaded = await make(client, params)
    return { replica: { client, trainer: loaded.trainer, release: () => client.close() }, loaded }
  } catch (error) {
    await client.close()
    throw error
  }
}

/**
 * Makes a trainer in the engine's own thread and in further ones, all at once. Where one of them fails, none is left.
 * @throws what the first that failed threw
 */
export async function openReplicas(threads: EngineThreads, setup: AnySetup): Promise<{ replicas: Replicas; loaded: TrainerLoaded }> {
  const further = Array.from({ length: setup.count - 1 }, () => inThreadOfItsOwn(threads, setup))
  const results = await Promise.allSettled([inMainThread(threads, setup), ...further])
  const opened = results.filter(result => result.status === 'fulfilled').map(({ value }) => value)
  const failed = results.find(result => result.status === 'rejected')
  if (failed !== undefined) {
    await Promise.all(opened.map(({ replica }) => replica.release()))
    throw failed.reason
  }
  return { replicas: new Replicas(opened.map(({ replica }) => replica)), loaded: opened[0]!.loaded }
}
