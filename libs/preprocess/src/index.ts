export {
  applyColors,
  type Augmentation,
  type AugmentKey,
  type AugmentOptions,
  type ColorKind,
  drawAugmentation,
  flipImage,
} from './augment.js'
export { configureDecoding } from './configure.js'
export { decodeImage, type DecodeOptions, defaultImageTimeoutMs, defaultMaxPixels } from './decode.js'
export { type ImageFormat, sniffFormat } from './format.js'
export { defaultSize, type Geometry, type GeometryOptions, planGeometry } from './geometry.js'
export { type Box, cropImage, type Resample, type RgbImage } from './image.js'
export {
  type ImageSource,
  type LoadOptions,
  loadResized,
  prepareVersion,
  type Prepared,
  prepareImage,
  type PrepareOptions,
  tenCrop,
} from './prepare.js'
export { pictureQuality, type PictureQuality, qualityOfFile } from './quality.js'
export { resizeImage, resizeRegion } from './resample.js'
export { pictureSize, type PictureSize } from './sniff-size.js'
export { levelTable, type TensorTarget } from './tensor.js'
export { thumbnail } from './thumbnail.js'
export { encodePng, overlayMap, seenPicture } from './seen.js'
