export type { Device, Engine, EngineName, EngineOptions, Extractor, ExtractorOptions } from './engine.js'
export { openEngine } from './open.js'
