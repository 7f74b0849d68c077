export {
  ImageModel,
  type ExtractOptions,
  type ImageInput,
  loadModel,
  type LoadModelOptions,
  type PredictOptions,
} from './library/load-model.js'
export { compose, type ComposeOptions, type Composition, type Needs } from './compose.js'
