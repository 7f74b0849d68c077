/** What goes over the wire: the shapes of requests and answers, for clients written in TypeScript. */
export * from './schemas.js'
export * from './schemas/session.js'
