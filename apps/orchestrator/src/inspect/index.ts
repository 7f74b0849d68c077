export { StoreInspection } from './store-inspection.js'
export { PictureTries } from './try-pictures.js'
