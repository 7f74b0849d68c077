import { LayermillError } from '@layermill/core'
import type {
  Activations,
  AuditQuery,
  AuditVerdicts,
  ChannelDifferences,
  FailurePage,
  FeatureFormat,
  FeatureMap,
  ImagePage,
  ImageQuery,
  LayerComparison,
  InspectionService,
  NeighbourList,
  PictureQuery,
  Projection,
  ProjectionQuery,
  RunAudit,
  RunComparison,
  RunEvaluation,
  RunImage,
  RunParts,
  RunPredictions,
  RunService,
  VerdictBody,
} from '@layermill/contracts'
import type { Store } from '@layermill/storage'
import { Lru } from 'toad-cache'
import { openFeatureSet } from '../features/feature-set.js'
import { channelDifferences, strongestChannels } from './activations.js'
import { componentsInThread } from './components-in-thread.js'
import { readComparison } from './comparison.js'
import { readEvaluation } from './evaluation.js'
import { runImages } from './images.js'
import { compareLayers } from './layer-comparison.js'
import { Limit } from './limit.js'
import { MapShelf } from './map-shelf.js'
import { nearestOfEach } from './nearest.js'
import { nearestRows } from './neighbours.js'
import { failuresFrom, runParts } from './parts.js'
import { RunFiles, type RunFilesEnvironment } from './run-files.js'
import { runPredictions } from './run-predictions.js'
import { type FeatureSample, sampleFeatures } from './sample.js'
import { runThumbnail } from './thumbnails.js'

/** Components that are given: enough for a map by neighbours, few enough to send. */
const keptComponents = 24
/** Milliseconds that looking for nearest images may take. */
const searchMs = 60_000

interface Looked {
  readonly sample: FeatureSample
  readonly projection: Projection
}

/** Looks into the stores of runs. Pictures and samples are few at a time: they cost the orchestrator memory and CPU. */
export class StoreInspection implements InspectionService {
  private readonly files: RunFiles
  private readonly pictures = new Limit(4)
  private readonly samples = new Limit(1)
  private readonly looked = new Lru<Promise<Looked>>(8, 10 * 60_000)

  private readonly maps: MapShelf

  /** @param openMaps the store that maps are kept in. Default: they are kept in memory for a while. */
  constructor(
    private readonly runs: Pick<RunService, 'get'>,
    environment: RunFilesEnvironment,
    openMaps?: () => Promise<Store>,
  ) {
    this.files = new RunFiles(runs, environment)
    this.maps = new MapShelf(this.files, openMaps)
  }

  /** Ends maps under way. */
  close(): void {
    this.maps.close()
  }

  async map(run: string, layer: string): Promise<FeatureMap> {
    return this.maps.map(await this.runs.get(run), layer)
  }

  parts(run: string): Promise<RunParts> {
    return this.files.use(run, ({ store }) => runParts(store))
  }

  failures(run: string, from: number): Promise<FailurePage> {
    return this.files.use(run, ({ store }) => failuresFrom(store, from))
  }

  images(run: string, query: ImageQuery): Promise<ImagePage> {
    return this.files.use(run, async opened => {
      const page = await runImages(opened, url => this.files.openStore(url), query)
      return query.nearest === undefined ? page : await this.withNearest(opened.store, page, query.nearest)
    })
  }

  predictions(run: string): Promise<RunPredictions> {
    return this.files.use(run, opened => runPredictions(opened, url => this.files.openStore(url)))
  }

  thumbnail(run: string, picture: PictureQuery): Promise<Uint8Array> {
    return this.pictures.run(() => runThumbnail(this.files, run, picture))
  }

  evaluation(run: string): Promise<RunEvaluation> {
    return this.files.use(run, ({ store }) => readEvaluation(store, run))
  }

  async projection(run: string, query: ProjectionQuery): Promise<Projection> {
    return (await this.look(run, query)).projection
  }

  async neighbours(run: string, { point, top, ...query }: ProjectionQuery & { point: number; top: number }): Promise<NeighbourList> {
    const { sample } = await this.look(run, query)
    if (point >= sample.rows.length)
      throw new LayermillError('PARAMETER_INVALID', `query parameter point: got ${point}, expected a number below ${sample.rows.length}`)
    return { neighbours: nearestRows(sample, point, top) }
  }

  activations(run: string, { layer, part, key }: { layer: string; part: number; key: string }): Promise<Activations> {
    return this.pictures.run(() =>
      this.files.use(run, async ({ store }) => strongestChannels(await openFeatureSet(store, layer), part, key)),
    )
  }

  async differences(run: string, query: ProjectionQuery): Promise<ChannelDifferences> {
    return channelDifferences((await this.look(run, query)).sample, query.layer)
  }

  audit(run: string, query: AuditQuery): Promise<RunAudit> {
    return this.files.use(run, opened => this.files.audits.page(opened, query))
  }

  judge(run: string, body: VerdictBody): Promise<AuditVerdicts> {
    return this.files.use(run, opened => this.files.audits.judge(opened, body))
  }

  comparison(run: string): Promise<RunComparison> {
    return this.files.use(run, ({ store }) => readComparison(store))
  }

  private async withNearest(store: Store, page: ImagePage, layer: string): Promise<ImagePage> {
    const placed = page.images.filter((image): image is RunImage & { part: number } => typeof image.part === 'number')
    const set = await openFeatureSet(store, layer)
    const { nearest, compared } = await this.samples.run(() => nearestOfEach(set, placed, AbortSignal.timeout(searchMs)))
    const images = page.images.map(image => {
      const found = nearest.get(image.key)
      return found === undefined ? image : { ...image, nearest: found }
    })
    return { ...page, images, compared }
  }

  layers(run: string): Promise<LayerComparison> {
    return this.samples.run(() =>
      this.files.use(run, async ({ run: { layers = [] }, spec, store }) => {
        if (spec.kind !== 'extract' || layers.length === 0) throw new LayermillError('NOT_RECORDED', `The run ${run} has no features`)
        return compareLayers(store, layers, spec.format satisfies FeatureFormat)
      }),
    )
  }

  /** The sample and its components, kept for a while: neighbours are of the same sample as the map. */
  private look(run: string, query: ProjectionQuery): Promise<Looked> {
    const key = JSON.stringify([run, query.layer, query.sample])
    const known = this.looked.get(key)
    if (known !== undefined) return known
    const looking = this.samples.run(() => this.sample(run, query))
    this.looked.set(key, looking)
    looking.catch(() => this.looked.delete(key))
    return looking
  }

  private sample(run: string, { layer, sample: most }: ProjectionQuery): Promise<Looked> {
    return this.files.use(run, async ({ run: detail, spec, store }) => {
      const found = detail.layers?.find(({ name }) => name === layer)
      if (found === undefined || spec.kind !== 'extract')
        throw new LayermillError('LAYER_MISSING', `The run ${run} has no features of ${layer}`)
      const place = { layer, format: spec.format satisfies FeatureFormat, bytesPerImage: found.bytesPerImage }
      const sample = await sampleFeatures(store, place, most)
      const { rows, variance } = await componentsInThread({
        values: sample.values,
        rows: sample.rows.length,
        columns: sample.dimensions,
        count: keptComponents,
      })
      const points = sample.rows.map((row, i) => ({ ...row, components: rows[i] ?? [] }))
      return { sample, projection: { layer, dimensions: sample.dimensions, images: sample.images, points, variance } }
    })
  }
}
