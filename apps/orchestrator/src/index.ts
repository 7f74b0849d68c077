// Everything. What starts a process imports the parts that it uses: all of it takes half a second to load.
export * from './http/index.js'
export * from './check/index.js'
export * from './run/index.js'
export { noModels } from './http/no-models.js'
export * from './inspect/index.js'
export * from './service/index.js'
export * from './schedules/index.js'
export * from './notify/index.js'
