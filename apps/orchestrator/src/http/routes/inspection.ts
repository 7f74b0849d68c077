import * as z from 'zod'
import {
  Activations,
  ChannelDifferences,
  FailurePage,
  FeatureMap,
  ImagePage,
  type InspectionService,
  LayerComparison,
  NeighbourList,
  Projection,
  RunEvaluation,
  RunId,
  RunParts,
  RunPredictions,
  whole,
} from '@layermill/contracts'
import type { App } from '../app.js'
import { problems } from './problems.js'

const params = z.object({ id: RunId })
const tags = ['runs']

const Picture = z.strictObject({
  part: z
    .union([z.enum(['mistakes', 'training', 'validation', 'results', 'audit']), whole('the number of a part', 0, 1e8)])
    .describe('The part or list that the image belongs to, as images, failures and evaluation give it.'),
  key: z.string().min(1).max(2048).describe("The image's key."),
})
const Images = z.strictObject({
  from: z
    .string()
    .regex(/^\d{1,9}$/, 'the next of an earlier answer')
    .optional()
    .describe('Place to go on: next of the answer before.'),
  filter: z.enum(['all', 'wrong']).default('all').describe('wrong: images taken for another class than their own, surest first.'),
  label: z.string().min(1).max(500).optional().describe('Only images of this class, or taken for it.'),
  nearest: z.string().min(1).max(200).optional().describe('Of an extraction: a layer by which the image most like each is looked for.'),
})

const sampleQuery = {
  layer: z.string().min(1).max(200).describe('A layer that the run wrote.'),
  sample: whole('a whole number from 2 to 800', 2, 800).prefault('500').describe('Most images to look at, 2 to 800.'),
}

/** Adds routes for the files that runs have written: parts, failures, pictures, evaluation, features. */
export function addInspectionRoutes(app: App, inspection: InspectionService): void {
  app.get(
    '/v1/runs/:id/parts',
    {
      schema: {
        tags,
        summary: 'Show which parts are there',
        operationId: 'getRunParts',
        params,
        response: { 200: RunParts, ...problems(404) },
      },
    },
    async request => inspection.parts(request.params.id),
  )

  app.get(
    '/v1/runs/:id/failures',
    {
      schema: {
        tags,
        summary: 'List images that were left out',
        operationId: 'listFailures',
        params,
        querystring: z.strictObject({ part: whole('the number of a part', 0, 1e8).prefault('0').describe('The part to begin with.') }),
        response: { 200: FailurePage, ...problems(404) },
      },
    },
    async request => inspection.failures(request.params.id, request.query.part),
  )

  app.get(
    '/v1/runs/:id/images',
    {
      schema: {
        tags,
        summary: "List a run's images with what is known of each",
        operationId: 'listImages',
        params,
        querystring: Images,
        response: { 200: ImagePage, ...problems(404) },
        description: 'Labels, predictions and whether they were held out, page by page.',
      },
    },
    async request => inspection.images(request.params.id, request.query),
  )

  app.get(
    '/v1/runs/:id/predictions',
    {
      schema: {
        tags,
        summary: 'List the likeliest class of each image of a prediction',
        operationId: 'listPredictions',
        params,
        response: { 200: RunPredictions, ...problems(404) },
        description: 'For the colours of a map of the same images; the files of the run have all classes.',
      },
    },
    async request => inspection.predictions(request.params.id),
  )

  app.get(
    '/v1/runs/:id/thumbnail',
    {
      schema: {
        tags,
        summary: "Show one of a run's images, small",
        operationId: 'getThumbnail',
        params,
        querystring: Picture,
        produces: ['image/jpeg'],
        response: { 200: { description: 'A JPEG.', content: { 'image/jpeg': { schema: z.string() } } }, ...problems(404) },
      },
      serializerCompiler: () => data => JSON.stringify(data),
    },
    async (request, reply) => {
      const picture = await inspection.thumbnail(request.params.id, request.query)
      return reply
        .header('content-type', 'image/jpeg')
        .header('cache-control', 'private, max-age=3600')
        .send(Buffer.from(picture) as unknown as string)
    },
  )

  app.get(
    '/v1/runs/:id/evaluation',
    {
      schema: {
        tags,
        summary: 'Show how a fine-tuned network does on held-out images',
        operationId: 'getEvaluation',
        params,
        response: { 200: RunEvaluation, ...problems(404) },
      },
    },
    async request => inspection.evaluation(request.params.id),
  )
  addMapRoutes(app, inspection)
}

/** Adds routes for features: a sample and its neighbours, and the map of all. */
function addMapRoutes(app: App, inspection: InspectionService): void {
  app.get(
    '/v1/runs/:id/projection',
    {
      schema: {
        tags,
        summary: "Show a sample of a layer's features",
        operationId: 'getProjection',
        params,
        querystring: z.strictObject(sampleQuery),
        response: { 200: Projection, ...problems(404) },
        description: 'Images spread evenly over the parts that are there, by their principal components.',
      },
    },
    async request => inspection.projection(request.params.id, request.query),
  )

  app.get(
    '/v1/runs/:id/map',
    {
      schema: {
        tags,
        summary: "Show all images on a map of a layer's features",
        operationId: 'getMap',
        params,
        querystring: z.strictObject({ layer: sampleQuery.layer }),
        response: { 200: FeatureMap, ...problems(404) },
        description: 'Computed once: until it is there the answer says how far it is; ask again.',
      },
      // A hundred thousand images: checked when they were computed.
      serializerCompiler: () => data => JSON.stringify(data),
    },
    async request => inspection.map(request.params.id, request.query.layer),
  )

  app.get(
    '/v1/runs/:id/activations',
    {
      schema: {
        tags,
        summary: 'Show the strongest channels of a layer for one image',
        operationId: 'getActivations',
        params,
        querystring: z.strictObject({
          layer: sampleQuery.layer,
          part: whole('the number of a part', 0, 1e8).describe('The part that the image belongs to.'),
          key: z.string().min(1).max(2048).describe("The image's key."),
        }),
        response: { 200: Activations, ...problems(404) },
      },
    },
    async request => inspection.activations(request.params.id, request.query),
  )

  app.get(
    '/v1/runs/:id/differences',
    {
      schema: {
        tags,
        summary: 'Show the channels in which classes differ',
        operationId: 'getDifferences',
        params,
        querystring: z.strictObject(sampleQuery),
        response: { 200: ChannelDifferences, ...problems(404) },
        description: 'Of the same sample as the projection; of feature maps each channel counts by its mean.',
      },
    },
    async request => inspection.differences(request.params.id, request.query),
  )

  app.get(
    '/v1/runs/:id/layers',
    {
      schema: {
        tags,
        summary: "Show how well a run's layers tell its classes",
        operationId: 'compareLayers',
        params,
        response: { 200: LayerComparison, ...problems(404) },
        description: 'By a linear classifier on each layer of a sample, as `layermill advise` does; with the bytes that each takes.',
      },
    },
    async request => inspection.layers(request.params.id),
  )

  app.get(
    '/v1/runs/:id/neighbours',
    {
      schema: {
        tags,
        summary: 'Find the images of a sample that are most alike',
        operationId: 'getNeighbours',
        params,
        response: { 200: NeighbourList, ...problems(404) },
        querystring: z.strictObject({
          ...sampleQuery,
          point: whole('the number of a point', 0, 799),
          top: whole('a whole number from 1 to 50', 1, 50).prefault('12'),
        }),
        description: "Compares all numbers of the layer (of feature maps each channel's mean), not the projection.",
      },
    },
    async request => inspection.neighbours(request.params.id, request.query),
  )
}
