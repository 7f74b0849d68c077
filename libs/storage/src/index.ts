export * from './store.js'
export { openStore } from './open.js'
export { compareUtf8 } from './keys.js'
