import { elementCount, formatShape, LayermillError, sameShape, type Tensor } from '@layermill/core'
import type { Explainer, Explanation } from '../../explainer.js'
import type { ThreadClient } from '../../thread/client.js'
import { buffersOf } from '../../thread/transfer.js'

interface ExplainerParts {
  readonly explainer: number
  readonly layers: readonly string[]
  readonly classes: number
  /** Shape of an image: [3, H, W]. */
  readonly input: readonly number[]
}

/** The calling thread's side of an explainer. */
export class ThreadExplainer implements Explainer {
  readonly layers: readonly string[]
  readonly classes: number
  private releasing: Promise<void> | undefined

  constructor(
    private readonly client: ThreadClient,
    private readonly parts: ExplainerParts,
  ) {
    this.layers = parts.layers
    this.classes = parts.classes
  }

  async explain(images: Tensor, classes?: Int32Array): Promise<Explanation> {
    this.check(images, classes?.length ?? images.shape[0] ?? 0)
    const seed = classes === undefined ? undefined : this.seed(classes)
    const { explainer } = this.parts
    const { tensors } = await this.client.request(
      'explain',
      { explainer, images, seed },
      buffersOf(seed === undefined ? [images] : [images, seed]),
    )
    const [scores, inputGradient, ...layers] = tensors
    return {
      scores: scores!,
      inputGradient: inputGradient!,
      values: new Map(this.layers.map((layer, i) => [layer, layers[2 * i]!])),
      gradients: new Map(this.layers.map((layer, i) => [layer, layers[2 * i + 1]!])),
    }
  }

  release(): Promise<void> {
    this.releasing ??= this.client.free('releaseExplainer', { explainer: this.parts.explainer })
    return this.releasing
  }

  /** Throws before anything is sent, so that the images stay the caller's where they are refused. */
  private check({ shape, data }: Tensor, count: number): void {
    if (this.releasing !== undefined) throw new LayermillError('ENGINE_CLOSED', 'this explainer has been released')
    const expected = [count, ...this.parts.input]
    if (count > 0 && sameShape(shape, expected) && data.length === elementCount(expected)) return
    throw new LayermillError('INPUT_SHAPE', `the images must be ${formatShape(expected)}, one for each class, not ${formatShape(shape)}`)
  }

  /** 1 at the class of each image. */
  private seed(classes: Int32Array): Tensor {
    const wrong = classes.find(label => label < 0 || label >= this.classes)
    if (wrong !== undefined) throw new LayermillError('LABEL_INVALID', `class ${wrong}; expected 0 to ${this.classes - 1}`)
    const seed = new Float32Array(classes.length * this.classes)
    for (const [row, label] of classes.entries()) seed[row * this.classes + label] = 1
    return { shape: [classes.length, this.classes], data: seed }
  }
}
