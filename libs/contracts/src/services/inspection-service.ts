import type { AuditVerdicts, RunAudit, VerdictBody } from '../api/audit.js'
import type { RunComparison } from '../api/comparison.js'
import type {
  Activations,
  ChannelDifferences,
  FailurePage,
  FeatureMap,
  ImagePage,
  LayerComparison,
  NeighbourList,
  PicturePlace,
  Projection,
  RunEvaluation,
  RunParts,
  RunPredictions,
  TryResult,
} from '../api/inspection.js'

/** A picture: its part or list, and its key there. `mistakes` are those of a fine-tuning run's evaluation. */
export interface PictureQuery {
  readonly part: PicturePlace
  readonly key: string
}

export interface ProjectionQuery {
  readonly layer: string
  /** Most images to look at. */
  readonly sample: number
}

/** Images of a run that are asked for. */
export interface ImageQuery {
  /** `next` of the page before. */
  readonly from?: string | undefined
  /** `wrong`: images that were taken for another class than their own, surest first. */
  readonly filter: 'all' | 'wrong'
  readonly label?: string | undefined
  /** Layer by which each image's nearest one is looked for; of an extraction. */
  readonly nearest?: string | undefined
}

/** Findings of an audit that are asked for. */
export interface AuditQuery {
  /** Default: the first kind with findings that nobody has looked at. */
  readonly finding?: string | undefined
  readonly verdict: 'open' | 'confirmed' | 'dismissed' | 'all'
  /** `next` of the page before. */
  readonly from?: string | undefined
}

/** A picture that somebody wants to try, and on what. */
export interface TryQuery {
  readonly image: Uint8Array
  /** Most classes and images to give. */
  readonly top: number
  /** Whether to tell where in the picture the likeliest class's score comes from. */
  readonly explain?: boolean | undefined
}

/** Tries of single pictures, for the HTTP side. Few at a time: each computes in the server. */
export interface TryService {
  /** @throws LayermillError `MODEL_NOT_REGISTERED`, `REGISTRY_MISSING`, `IMAGE_...`; as loading the model does */
  model(name: string, version: number | 'latest', query: TryQuery): Promise<TryResult>
  /**
   * Nearest images of an extraction, or classes of a prediction's or fine-tuning's model.
   * @throws LayermillError `RUN_UNKNOWN`, `LAYER_MISSING`, `NOT_RECORDED`, `IMAGE_...`; as loading the model does
   */
  run(id: string, query: TryQuery & { readonly layer?: string | undefined }): Promise<TryResult>
}

/** Queries of the dashboard to a run's store. Every method throws LayermillError `RUN_UNKNOWN` and the errors of the store. */
export interface InspectionService {
  parts(run: string): Promise<RunParts>
  /** @param from the part to begin with */
  failures(run: string, from: number): Promise<FailurePage>
  /** Images with what is known of each, page by page. @throws LayermillError `NOT_RECORDED` where none are there */
  images(run: string, query: ImageQuery): Promise<ImagePage>
  /** Likeliest classes of all images, in short. @throws LayermillError `NOT_RECORDED` for a run that predicts nothing, or has not yet */
  predictions(run: string): Promise<RunPredictions>
  /**
   * A small JPEG of an image of the run.
   * @throws LayermillError `IMAGE_UNKNOWN` for a key that the run does not have there; `IMAGE_UNREADABLE` where it cannot be shown
   */
  thumbnail(run: string, picture: PictureQuery): Promise<Uint8Array>
  /** @throws LayermillError `NOT_RECORDED` where nothing was held out, or nothing is evaluated yet */
  evaluation(run: string): Promise<RunEvaluation>
  /** @throws LayermillError `LAYER_MISSING` for a layer that the run does not have; `NOT_RECORDED` where no part is there yet */
  projection(run: string, query: ProjectionQuery): Promise<Projection>
  /**
   * All images on a map, or how far it is: it is computed once, while nobody waits for it, and kept for a run that has ended.
   * @throws as `projection` does
   */
  map(run: string, layer: string): Promise<FeatureMap>
  /**
   * Channels of a layer that answer strongest to one image.
   * @throws LayermillError `IMAGE_UNKNOWN`; `LAYER_MISSING` for a layer that the run does not have, or one without places
   */
  activations(run: string, query: { readonly layer: string; readonly part: number; readonly key: string }): Promise<Activations>
  /** Channels in which the classes of a sample differ. @throws as `projection` does */
  differences(run: string, query: ProjectionQuery): Promise<ChannelDifferences>
  /**
   * How well the layers of a run tell its classes, by a linear classifier on each of a sample.
   * @throws LayermillError `NOT_RECORDED` where the sample has no two classes, or no part is there yet
   */
  layers(run: string): Promise<LayerComparison>
  /** The images of the same sample that are nearest to the one at `point`. @throws as `projection` does */
  neighbours(run: string, query: ProjectionQuery & { readonly point: number; readonly top: number }): Promise<NeighbourList>
  /**
   * Findings of the audit in the run's folder, page by page.
   * @throws LayermillError `NOT_RECORDED` where there is none, or one that is too large to look at
   */
  audit(run: string, query: AuditQuery): Promise<RunAudit>
  /**
   * Keeps verdicts on findings with the audit, where the command and training look for them.
   * @throws LayermillError `IMAGE_UNKNOWN` for a finding that the audit has not, and then keeps none; as `audit` does
   */
  judge(run: string, body: VerdictBody): Promise<AuditVerdicts>
  /**
   * The comparison in the run's folder.
   * @throws LayermillError `NOT_RECORDED` where there is none, or one that cannot be shown
   */
  comparison(run: string): Promise<RunComparison>
}
