import { LayermillError, type Tensor } from '@layermill/models'
import type { TrainerLoaded, TrainParams } from '../onnx/trainer-protocol.js'
import { nativeCall } from '../thread/guard.js'
import type { LoadParams, Request, RequestKind, Requests } from '../thread/protocol.js'
import { selectBackend } from './backend.js'
import { ExtractorHost } from './extractor-host.js'
import { TrainerHost } from './trainer-host.js'

type Result = Requests[RequestKind]['result']

/** The tfjs engine inside its thread: extractors and trainers by number, requests one at a time. */
export class TfjsHost {
  private readonly extractors = new Map<number, ExtractorHost>()
  private readonly trainers = new Map<number, TrainerHost>()
  private native = false
  private next = 0

  /** @param flags see `thread/protocol.ts`. */
  constructor(private readonly flags: Int32Array) {}

  /** Carries out one request; throws LayermillErrors and the runtime's own errors. */
  async handle(request: Request): Promise<Result> {
    if (request.kind === 'open') return this.open(request.params)
    // A process may exit in the middle of JavaScript, but not of TensorFlow.
    return this.native ? nativeCall(this.flags, async () => this.carryOut(request)) : this.carryOut(request)
  }

  private carryOut(request: Exclude<Request, { kind: 'open' }>): Result {
    switch (request.kind) {
      case 'load': return this.load(request.params)
      case 'run': return { tensors: this.extractor(request.params.session).run(request.params.images) }
      case 'release': return this.release(request.params.session)
      case 'train': return this.train(request.params)
      case 'gradients': return this.trainer(request.params.trainer).gradients(request.params)
      case 'evaluate': return this.trainer(request.params.trainer).evaluate(request.params)
      case 'parameters': return this.setParameters(request.params)
      case 'releaseTrainer': return this.releaseTrainer(request.params.trainer)
      case 'close': return this.close()
    }
  }

  private async open({ devices }: Requests['open']['params']): Promise<Requests['open']['result']> {
    const selected = await nativeCall(this.flags, () => selectBackend(devices))
    this.native = selected.device !== 'cpu-portable'
    return selected
  }

  private load(params: LoadParams): Requests['load']['result'] {
    const extractor = new ExtractorHost(params)
    const session = this.next++
    this.extractors.set(session, extractor)
    return { session }
  }

  private extractor(number: number): ExtractorHost {
    const extractor = this.extractors.get(number)
    if (extractor === undefined) throw new LayermillError('ENGINE_CLOSED', 'this extractor has been released')
    return extractor
  }

  private release(number: number): undefined {
    this.extractors.get(number)?.release()
    this.extractors.delete(number)
    return undefined
  }

  private train(params: TrainParams): TrainerLoaded {
    const host = new TrainerHost(params)
    const trainer = this.next++
    this.trainers.set(trainer, host)
    return { trainer, ...host.description }
  }

  private trainer(number: number): TrainerHost {
    const trainer = this.trainers.get(number)
    if (trainer === undefined) throw new LayermillError('ENGINE_CLOSED', 'this trainer has been released')
    return trainer
  }

  private setParameters({ trainer, parameters }: { trainer: number; parameters: ReadonlyMap<string, Tensor> }): undefined {
    this.trainer(trainer).setParameters(parameters)
    return undefined
  }

  private releaseTrainer(number: number): undefined {
    this.trainers.get(number)?.release()
    this.trainers.delete(number)
    return undefined
  }

  private close(): undefined {
    for (const session of [...this.extractors.keys()]) this.release(session)
    for (const trainer of [...this.trainers.keys()]) this.releaseTrainer(trainer)
    return undefined
  }
}
