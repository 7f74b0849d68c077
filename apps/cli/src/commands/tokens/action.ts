import { LayermillError } from '@layermill/core'
import { Scope } from '@layermill/contracts'
import { createToken, defaultTokensFile, readTokens, removeToken } from '@layermill/orchestrator/tokens'
import { formatTable } from '../../output/format.js'
import type { Output } from '../../output/output.js'

export interface TokensOptions {
  tokensFile?: string
  scopes?: string
  expires?: string
}

function parseScopes(text: string): Scope[] {
  return text.split(',').map(name => {
    const scope = Scope.safeParse(name.trim())
    if (scope.success) return scope.data
    throw new LayermillError('SPEC_INVALID', `--scopes: got ${JSON.stringify(name)}, expected read, submit or admin, several with commas`)
  })
}

/** `layermill tokens add NAME`: makes a token, shown once; its hash goes to the file. */
export async function addToken(output: Output, name: string, options: TokensOptions): Promise<void> {
  const file = options.tokensFile ?? defaultTokensFile()
  const { token, record } = await createToken(file, { name, scopes: parseScopes(options.scopes ?? 'read'), expires: options.expires })
  output.note(`token ${name} (${record.scopes.join(', ')}) in ${file}; it is shown this once:`)
  output.line(token)
}

/** `layermill tokens list`: names and scopes. */
export async function listTokens(output: Output, options: TokensOptions): Promise<void> {
  const records = await readTokens(options.tokensFile ?? defaultTokensFile())
  output.line(
    formatTable(
      ['name', 'scopes', 'created', 'expires'],
      records.map(({ name, scopes, created, expires }) => [name, scopes.join(','), created ?? '', expires ?? '']),
    ),
  )
}

/** `layermill tokens remove NAME`: a running server refuses it from then on. */
export async function removeTokenCommand(output: Output, name: string, options: TokensOptions): Promise<void> {
  const file = options.tokensFile ?? defaultTokensFile()
  if (!(await removeToken(file, name))) throw new LayermillError('SPEC_INVALID', `${file} has no token named ${name}`)
  output.line(`${name} removed`)
}
