import type { FastifyRequest } from 'fastify'
import { LatestSchema, ModelDetailSchema, ModelList, ModelParams, type ModelService, PromoteBody, RollbackBody } from '@layermill/contracts'
import type { App } from '../app.js'
import { problems } from './problems.js'

const tags = ['models']
const params = ModelParams

/** For the history: the token's name. */
const who = ({ caller }: FastifyRequest): string => caller?.name ?? 'http'

/** The registry of models: what is there, and which version is the latest. */
export function addModelRoutes(app: App, models: ModelService): void {
  app.get(
    '/v1/models',
    {
      schema: { tags, summary: 'List the registered models', operationId: 'listModels', response: { 200: ModelList, ...problems(404) } },
    },
    async () => ({ models: await models.list() }),
  )

  app.get(
    '/v1/models/:name',
    {
      schema: {
        tags,
        summary: 'Show a registered model',
        operationId: 'getModel',
        params,
        response: { 200: ModelDetailSchema, ...problems(404) },
      },
    },
    async request => {
      const { details, history, uses, ...rest } = await models.get(request.params.name)
      return { ...rest, details: [...details], history: [...history], uses: [...uses] }
    },
  )

  app.post(
    '/v1/models/:name/promote',
    {
      schema: {
        tags,
        summary: 'Make a version the latest',
        operationId: 'promoteModel',
        params,
        body: PromoteBody,
        response: { 200: LatestSchema, ...problems(404, 409, 413, 415) },
        description: 'Whatever its evaluation said. Feature sets of other versions are stale from then on.',
      },
    },
    async request => {
      const { version, ...change } = request.body
      return models.promote(request.params.name, version, { ...change, by: who(request) })
    },
  )

  app.post(
    '/v1/models/:name/rollback',
    {
      schema: {
        tags,
        summary: 'Go back to the version before',
        operationId: 'rollbackModel',
        params,
        body: RollbackBody,
        response: { 200: LatestSchema, ...problems(404, 409, 413, 415) },
        description: 'The version that was the latest before; once more goes back one further.',
      },
    },
    async request => models.rollback(request.params.name, { ...request.body, by: who(request) }),
  )
}
