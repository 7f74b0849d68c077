export { ImageModel, type ExtractOptions, type ImageInput, loadModel, type LoadModelOptions, type PredictOptions } from './library/load-model.js'
export type { ClassScore } from '@layermill/gpu-worker'
export { LayermillError, type Tensor } from '@layermill/models'
export { compose, type ComposeOptions, type Composition } from './compose.js'
