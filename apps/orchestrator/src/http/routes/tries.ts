import { ModelParams, RunId, TryResult, type TryService, whole } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import type { App } from '../app.js'
import { problems } from './problems.js'

/** Bytes of a picture that is tried. */
const largestPicture = 16 * 1024 * 1024

const top = whole('a whole number from 1 to 50', 1, 50).prefault('5').describe('Most classes and images to give, 1 to 50 (default 5).')
const explain = z
  .enum(['true', 'false'])
  .optional()
  .describe('true: tell where in the picture the score of the likeliest class comes from.')
const consumes = ['image/*', 'application/octet-stream']

const ModelQuery = z.strictObject({
  version: whole('the number of a version', 1, 1e9).optional().describe('Default: the latest.'),
  top,
  explain,
})
const RunTryQuery = z.strictObject({
  layer: z.string().min(1).max(200).optional().describe('Of an extraction: the layer to compare. Default: its only one.'),
  top,
  explain,
})

function pictureOf(body: unknown): Uint8Array {
  if (body instanceof Uint8Array && body.byteLength > 0) return body
  throw new LayermillError('BODY_INVALID', 'The body has no bytes, expected the file of one picture')
}

/** Single pictures, tried on registered models and on runs. The body is the file itself; nothing of it is kept. */
export async function addTryRoutes(app: App, tries: TryService): Promise<void> {
  await app.register(async scope => {
    const raw = scope.withTypeProvider<ZodTypeProvider>()
    // JSON is what every other route takes; here only files of pictures are.
    raw.removeAllContentTypeParsers()
    raw.addContentTypeParser(
      /^(?:image\/[\w.+-]+|application\/octet-stream)$/,
      { parseAs: 'buffer', bodyLimit: largestPicture },
      (_request, body, done) => done(null, body),
    )
    raw.post(
      '/v1/models/:name/try',
      {
        bodyLimit: largestPicture,
        schema: {
          tags: ['models'],
          summary: 'Try a picture on a registered model',
          operationId: 'tryModel',
          params: ModelParams,
          querystring: ModelQuery,
          consumes,
          response: { 200: TryResult, ...problems(404, 413, 415, 422) },
          description:
            'The body is the file of one picture, at most 16 MiB. It is decoded and computed within the limits of runs, and not kept.',
        },
      },
      async request => {
        const { version = 'latest', top: most, explain: why } = request.query
        return tries.model(request.params.name, version, { image: pictureOf(request.body), top: most, explain: why === 'true' })
      },
    )
    raw.post(
      '/v1/runs/:id/try',
      {
        bodyLimit: largestPicture,
        schema: {
          tags: ['runs'],
          summary: "Try a picture on a run's model, or find the images that are most like it",
          operationId: 'tryRun',
          params: z.object({ id: RunId }),
          querystring: RunTryQuery,
          consumes,
          response: { 200: TryResult, ...problems(404, 413, 415, 422) },
          description: 'As for a registered model. Of an extraction: the images whose features are nearest, by looking at all of them.',
        },
      },
      async request => {
        const { layer, top: most, explain: why } = request.query
        return tries.run(request.params.id, { image: pictureOf(request.body), top: most, layer, explain: why === 'true' })
      },
    )
  })
}
