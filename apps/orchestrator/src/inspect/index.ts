export type { InspectionService, PictureQuery, ProjectionQuery } from './service.js'
export { StoreInspection } from './store-inspection.js'
