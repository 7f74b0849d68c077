import * as z from 'zod'

const Row = z.object({ key: z.string(), classes: z.array(z.object({ label: z.string(), probability: z.number() })) })
/** An image's likeliest classes, likeliest first, as a run's files have them. */
export type PredictedRow = z.output<typeof Row>

/** Lines of predictions, one JSON object each. Lines that are none are left out. */
export function parsePredictions(bytes: Uint8Array): PredictedRow[] {
  return new TextDecoder()
    .decode(bytes)
    .split('\n')
    .flatMap(line => {
      if (line === '') return []
      try {
        return [Row.parse(JSON.parse(line))]
      } catch {
        return []
      }
    })
}
