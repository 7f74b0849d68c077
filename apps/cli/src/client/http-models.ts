import {
  type Latest,
  LatestSchema,
  type ManualChange,
  type ModelDetail,
  ModelDetailSchema,
  ModelList,
  type ModelService,
  type ModelSummary,
} from '@layermill/contracts'
import type { ServerConnection } from './server-connection.js'

/** The registered models of a server, `layermill serve`. Changes are made in the name of its token. */
export class HttpModels implements ModelService {
  constructor(private readonly server: ServerConnection) {}

  async list(): Promise<ModelSummary[]> {
    return (await this.server.json('GET', '/v1/models', ModelList)).models
  }

  async get(name: string): Promise<ModelDetail> {
    return this.server.json('GET', this.path(name), ModelDetailSchema)
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
