import { type Latest, LatestSchema, ModelDetailSchema, ModelList } from '@layermill/contracts'
import type { ManualChange, ModelDetail, ModelService, ModelSummary } from '@layermill/orchestrator/registry'
import type { ServerConnection } from './server-connection.js'

/** The registered models of a server, `layermill serve`. Changes are made in the name of its token. */
export class HttpModels implements ModelService {
  constructor(private readonly server: ServerConnection) {}

  async list(): Promise<ModelSummary[]> {
    const { models } = await this.server.json('GET', '/v1/models', ModelList)
    return models.map(({ latest, promoted, ...model }) => ({ latest, promoted, ...model }))
  }

  async get(name: string): Promise<ModelDetail> {
    const { latest, promoted, previous, details, ...model } = await this.server.json('GET', this.path(name), ModelDetailSchema)
    return { latest, promoted, previous, ...model, details: details.map(({ evaluation, ...detail }) => ({ evaluation, ...detail })) }
  }

  promote(name: string, version: number, { reason, from }: ManualChange): Promise<Latest> {
    return this.server.json('POST', this.path(name, '/promote'), LatestSchema, JSON.stringify({ version, reason, from }))
  }

  rollback(name: string, { reason, from }: ManualChange): Promise<Latest> {
    return this.server.json('POST', this.path(name, '/rollback'), LatestSchema, JSON.stringify({ reason, from }))
  }

  private path(name: string, rest = ''): string {
    return `/v1/models/${encodeURIComponent(name)}${rest}`
  }
}
