import { LayermillError } from '@layermill/core'
import type { Tensor } from '@layermill/core'
import type { TrainerLoaded, TrainParams } from '../onnx/trainer-protocol.js'
import { nativeCall } from '../thread/guard.js'
import { Numbered } from '../thread/numbered.js'
import type { LoadParams, Request, RequestKind, Requests } from '../thread/protocol.js'
import { selectBackend } from './backend.js'
import { ExtractorHost } from './extractor-host.js'
import { TrainerHost } from './trainer-host.js'

type Result = Requests[RequestKind]['result']

/** The tfjs engine inside its thread: extractors and trainers by number, requests one at a time. */
export class TfjsHost {
  private readonly extractors = new Numbered<ExtractorHost>('extractor')
  private readonly trainers = new Numbered<TrainerHost>('trainer')
  private native = false

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
      case 'load':
        return this.load(request.params)
      case 'run':
        return { tensors: this.extractors.get(request.params.session).run(request.params.images) }
      case 'release':
        return this.release(request.params.session)
      case 'train':
        return this.train(request.params)
      case 'gradients':
        return this.trainers.get(request.params.trainer).gradients(request.params)
      case 'evaluate':
        return this.trainers.get(request.params.trainer).evaluate(request.params)
      case 'parameters':
        return this.setParameters(request.params)
      case 'releaseTrainer':
        return this.releaseTrainer(request.params.trainer)
      case 'loadGraph':
      case 'runGraph':
      case 'trainGraph':
        throw new LayermillError('ENGINE_UNKNOWN', 'networks of ONNX files run in ONNX Runtime only; expected --engine onnx')
      case 'loadExplainer':
      case 'explain':
      case 'releaseExplainer':
        throw new LayermillError('ENGINE_UNKNOWN', 'scores are explained by ONNX Runtime only; expected --engine onnx')
      case 'close':
        return this.close()
    }
  }

  private async open({ devices }: Requests['open']['params']): Promise<Requests['open']['result']> {
    const selected = await nativeCall(this.flags, () => selectBackend(devices))
    this.native = selected.device !== 'cpu-portable'
    return selected
  }

  private load(params: LoadParams): Requests['load']['result'] {
    return { session: this.extractors.add(new ExtractorHost(params)) }
  }

  private release(number: number): undefined {
    this.extractors.take(number)?.release()
    return undefined
  }

  private train(params: TrainParams): TrainerLoaded {
    const host = new TrainerHost(params)
    return { trainer: this.trainers.add(host), ...host.description }
  }

  private setParameters({ trainer, parameters }: { trainer: number; parameters: ReadonlyMap<string, Tensor> }): undefined {
    this.trainers.get(trainer).setParameters(parameters)
    return undefined
  }

  private releaseTrainer(number: number): undefined {
    this.trainers.take(number)?.release()
    return undefined
  }

  private close(): undefined {
    for (const session of this.extractors.numbers()) this.release(session)
    for (const trainer of this.trainers.numbers()) this.releaseTrainer(trainer)
    return undefined
  }
}
