/** wasm/add.wat, assembled by scripts/wasm/assemble.mjs (a test compares the two). Do not edit. */
export const addWasm =
  'AGFzbQEAAAABBwFgA39/fwADAgEABQMBAAEHEAIGbWVtb3J5AgADYWRkAAAKRAFCAANAIAAgAP0ABAAgAf0ABAD95AH9CwQAIAAgAP0ABBAgAf0ABBD95AH9' +
  'CwQQIAFBIGohASAAQSBqIgAgAkkNAAsL'
