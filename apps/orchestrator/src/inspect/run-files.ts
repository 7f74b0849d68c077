import { parseSpec, type RunDetail, type RunService, type RunSpec, runStoreUrl } from '@layermill/contracts'
import { AuditFiles } from './audit.js'
import type { ImageSource, SourceAccess, Store } from '@layermill/storage'

export interface RunFilesEnvironment {
  openStore(url: string): Promise<Store>
  openSource(source: string, access?: SourceAccess): Promise<ImageSource>
}

export interface OpenedFiles {
  readonly run: RunDetail
  readonly spec: RunSpec
  readonly store: Store
}

/** Files that a run has written, by the run's id. */
export class RunFiles {
  readonly audits = new AuditFiles()

  constructor(
    private readonly runs: Pick<RunService, 'get'>,
    private readonly environment: RunFilesEnvironment,
  ) {}

  /** Opens a run's store for as long as `action` takes. @throws LayermillError `RUN_UNKNOWN` */
  async use<Result>(id: string, action: (files: OpenedFiles) => Promise<Result>): Promise<Result> {
    const run = await this.runs.get(id)
    const spec = parseSpec(run.spec)
    await using store = await this.environment.openStore(run.place ?? runStoreUrl(spec))
    return await action({ run, spec, store })
  }

  openStore(url: string): Promise<Store> {
    return this.environment.openStore(url)
  }

  /** Reads an image of a source. @throws what the source throws */
  async read(source: string, item: { key: string; etag?: string }, access?: SourceAccess): Promise<Uint8Array> {
    await using images = await this.environment.openSource(source, access)
    return await images.read(item)
  }
}
