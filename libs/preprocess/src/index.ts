export { decodeImage } from './decode.js'
export { resizeImage } from './resample.js'
