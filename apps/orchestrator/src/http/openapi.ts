import swagger, { type SwaggerTransformObject } from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod'
import type { App } from './app.js'
import { docsPrefix } from './route-access.js'

/** Only the server's own files; the viewer sets styles from its scripts and draws icons from data URLs. */
const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Layers, as on the dashboard. */
const icon =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#1f5fd0"/><g fill="none" stroke="#fff" ' +
  'stroke-width="2.4" stroke-linejoin="round"><path d="M16 6.5 26 12l-10 5.5L6 12z"/><path d="m6 16.5 10 5.5 10-5.5"/></g></svg>'

/** Names of the components that a piece of the document refers to. */
function references(value: unknown): string[] {
  const text = JSON.stringify(value) ?? ''
  return [...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name ?? '')
}

/**
 * The provider's own override drops the texts that stand for values (`320x256`) from unions, because it looks before they are filled in.
 */
const zodToJsonConfig = { override: (): void => {} }
const transform = createJsonSchemaTransform({ zodToJsonConfig })
const transformObject = createJsonSchemaTransformObject({ zodToJsonConfig })

/** Each schema becomes two components, as it is read and as it is written; those that nothing refers to go. */
const usedComponentsOnly: SwaggerTransformObject = document => {
  const whole = transformObject(document)
  if (!('components' in whole)) return whole
  const { schemas = {}, ...others } = whole.components ?? {}
  const wanted = references(whole.paths)
  for (const name of wanted) {
    const more = references(schemas[name]).filter(found => !wanted.includes(found))
    wanted.push(...more)
  }
  const kept = Object.fromEntries(Object.entries(schemas).filter(([name]) => wanted.includes(name)))
  return { ...whole, components: { ...others, schemas: kept } } as ReturnType<SwaggerTransformObject>
}

/** Collects the routes that are added after this into an OpenAPI document. */
export async function registerOpenApi(app: App, version: string, basePath = ''): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Layermill',
        version,
        description:
          'Submit runs, follow them, and see workers and queues. Errors are problem documents (RFC 9457); `code` is for programs.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      tags: [
        { name: 'runs', description: 'Extraction, prediction and fine-tuning' },
        { name: 'schedules', description: 'Runs at their times' },
        { name: 'fleet', description: 'Workers and queues' },
        { name: 'operations', description: 'Health and metrics' },
      ],
      ...(basePath === '' ? {} : { servers: [{ url: basePath }] }),
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'Made with `layermill tokens add`.' } } },
      security: [{ token: [] }],
    },
    transform,
    transformObject: usedComponentsOnly,
  })
}

/** `/openapi.json` and the page that shows it. */
export async function addDocumentation(app: App, basePath = ''): Promise<void> {
  app.get('/openapi.json', { schema: { hide: true } }, () => Promise.resolve(app.swagger()))
  await app.register(swaggerUi, {
    routePrefix: docsPrefix,
    indexPrefix: basePath,
    staticCSP: pagePolicy,
    // The layout without the bar of the framework, its logo and its field for other documents.
    uiConfig: { deepLinking: true, docExpansion: 'list', tryItOutEnabled: false, layout: 'BaseLayout' },
    theme: {
      title: 'Layermill API',
      favicon: [{ filename: 'icon.svg', rel: 'icon', type: 'image/svg+xml', sizes: 'any', content: icon }],
    },
  })
}
