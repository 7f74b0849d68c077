/** Files of results that a command or a fleet writes beside a run. */
export { csvRow } from '../run/csv.js'
export { type PredictionRow, readPredictions, writePredictions } from './predictions.js'
export { type ResultFormat, resultFormat, splitFile, writeResultFile } from './result-file.js'
export { definitions, escapeHtml, flatten, inlinePicture, page, pictureCard, scrolling, table } from './html.js'
export { thumbnailsOf } from './thumbnails.js'
