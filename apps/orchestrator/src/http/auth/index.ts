/** Tokens and what they may do, without the server that asks for them. */
export { createToken, parseTokens, readTokens, removeToken, type NewToken, type TokenRecord } from './token-file.js'
export { fixedTokens, openTokens, type TokenStore } from './token-store.js'
export { defaultTokensFile } from './tokens-file.js'
