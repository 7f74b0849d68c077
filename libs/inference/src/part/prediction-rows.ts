import { predictionsPath, type RunRecord } from '@layermill/contracts'
import type { ManifestRow } from '@layermill/storage'
import type { LoadedModel } from '../model-provider.js'
import { answerOf } from '../predict.js'
import type { CopiedParts } from './copied-parts.js'
import type { OutputFile, ResultRows } from './part-output.js'

/** Answers of a model, one JSON line an image. */
export class PredictionRowsOutput implements ResultRows {
  private readonly lines: string[] = []
  private readonly layer: string
  private readonly top: number

  constructor(
    record: RunRecord,
    private readonly part: number,
    private readonly model: Pick<LoadedModel, 'labels' | 'target'>,
  ) {
    this.layer = record.identity.layers[0]!
    this.top = record.identity.top ?? 5
  }

  add({ key }: ManifestRow, values: ReadonlyMap<string, Float32Array>): void {
    const answer = answerOf(values.get(this.layer)!, { ...this.model, top: this.top })
    this.lines.push(JSON.stringify({ key, ...answer }))
  }

  async copy(_row: ManifestRow, from: NonNullable<ManifestRow['from']>, parts: CopiedParts): Promise<void> {
    this.lines.push(await parts.prediction(from))
  }

  async files(): Promise<OutputFile[]> {
    const text = this.lines.map(line => `${line}\n`).join('')
    return [{ path: predictionsPath(this.part), bytes: new TextEncoder().encode(text) }]
  }
}
