import * as z from 'zod'
import { Scope } from './scopes.js'

/** Identity of the caller. */
export const Session = z
  .object({
    name: z.string().describe("The token's name; local on a server without tokens."),
    scopes: z.array(Scope),
    version: z.string().describe("Layermill's version."),
  })
  .meta({ id: 'Session', description: "The caller's token and what it allows." })
export type Session = z.output<typeof Session>
