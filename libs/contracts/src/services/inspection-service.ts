import type { FailurePage, NeighbourList, Projection, RunEvaluation, RunParts } from '../api/inspection.js'

/** Which picture: of which part, and its key there. `mistakes` are those of a fine-tuning run's evaluation. */
export interface PictureQuery {
  readonly part: number | 'mistakes'
  readonly key: string
}

export interface ProjectionQuery {
  readonly layer: string
  /** Most images to look at. */
  readonly sample: number
}

/** Queries of the dashboard to a run's store. Every method throws LayermillError `RUN_UNKNOWN` and the errors of the store. */
export interface InspectionService {
  parts(run: string): Promise<RunParts>
  /** @param from the part to begin with */
  failures(run: string, from: number): Promise<FailurePage>
  /**
   * A small JPEG of an image of the run.
   * @throws LayermillError `IMAGE_UNKNOWN` for a key that the run does not have there; `IMAGE_UNREADABLE` where it cannot be shown
   */
  thumbnail(run: string, picture: PictureQuery): Promise<Uint8Array>
  /** @throws LayermillError `NOT_RECORDED` where nothing was held out, or nothing is evaluated yet */
  evaluation(run: string): Promise<RunEvaluation>
  /** @throws LayermillError `LAYER_MISSING` for a layer that the run does not have; `NOT_RECORDED` where no part is there yet */
  projection(run: string, query: ProjectionQuery): Promise<Projection>
  /** The images of the same sample that are nearest to the one at `point`. @throws as `projection` does */
  neighbours(run: string, query: ProjectionQuery & { readonly point: number; readonly top: number }): Promise<NeighbourList>
}
