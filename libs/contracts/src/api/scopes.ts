import * as z from 'zod'

/** Scopes of a token: each includes those before it. */
export const scopes = ['read', 'submit', 'admin'] as const
export const Scope = z.enum(scopes, { error: `one of ${scopes.join(', ')}` })
export type Scope = z.output<typeof Scope>

/** Whether someone with these scopes may do what needs `wanted`. */
export function allows(held: readonly Scope[], wanted: Scope): boolean {
  return held.some(scope => scopes.indexOf(scope) >= scopes.indexOf(wanted))
}

/** Sender of a request. */
export interface Caller {
  /** The token's name, for the log. */
  readonly name: string
  readonly scopes: readonly Scope[]
}
