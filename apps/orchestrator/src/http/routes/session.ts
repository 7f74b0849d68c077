import type { App } from '../app.js'
import { Session } from '@layermill/contracts'
import { problems } from './problems.js'

/** Adds the route that tells a caller its name and scopes, so that a client can offer what its token allows. */
export function addSessionRoutes(app: App, { version }: { version: string }): void {
  app.get(
    '/v1/session',
    {
      schema: {
        tags: ['operations'],
        summary: 'Show what the token allows',
        operationId: 'getSession',
        response: { 200: Session, ...problems() },
      },
    },
    request => Promise.resolve({ name: request.caller?.name ?? '', scopes: [...(request.caller?.scopes ?? [])], version }),
  )
}
