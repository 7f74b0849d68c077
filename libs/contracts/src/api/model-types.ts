import type { z } from 'zod'
import type { ModelDetailSchema, ModelList } from './models.js'

/** A registered model, as the API shows it. */
export type ModelDetail = z.output<typeof ModelDetailSchema>
/** A registered model in lists. */
export type ModelSummary = z.output<typeof ModelList>['models'][number]
