export { describePreparation } from './describe.js'
export { namedPreparation, nameOfPreparation, preparationNames, preparedAs, preparedWith, withPreparation } from './named.js'
export type { WeightsPreparation } from './named.js'
export { preparationFrom } from './schema.js'
