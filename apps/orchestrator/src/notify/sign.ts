import { createHmac } from 'node:crypto'
import { LayermillError } from '@layermill/core'

/** Shorter secrets can be guessed (the scheme asks for 24 to 64 bytes). */
const fewestBytes = 24

/**
 * The keys of a text with one or more secrets (between spaces, commas or lines): each `whsec_` and base64. Every message is signed with all
 * of them, so that receivers can change over from an old one.
 * @throws LayermillError `WEBHOOK_SECRET`, without the secret
 */
export function parseSecrets(text: string, where: string): Buffer[] {
  const secrets = text.split(/[\s,]+/).filter(secret => secret !== '')
  if (secrets.length === 0)
    throw new LayermillError('WEBHOOK_SECRET', `${where} is empty, expected whsec_ and base64 of at least ${fewestBytes} bytes`)
  return secrets.map(secret => {
    const base64 = secret.replace(/^whsec_/, '')
    const key = Buffer.from(base64, 'base64')
    const valid = /^[A-Za-z0-9+/]+={0,2}$/.test(base64) && key.length >= fewestBytes
    if (valid) return key
    throw new LayermillError('WEBHOOK_SECRET', `${where}: a secret is not whsec_ and base64 of at least ${fewestBytes} bytes`, {
      hint: 'make one with: echo whsec_$(openssl rand -base64 32)',
    })
  })
}

export interface SignedMessage {
  /** `webhook-id`. */
  readonly id: string
  /** Seconds since 1970 of this attempt: `webhook-timestamp`. */
  readonly timestamp: number
  readonly body: string
}

/** The `webhook-signature` of a message: `v1,` and the HMAC-SHA256 over id, timestamp and body in base64, for each key. */
export function signature({ id, timestamp, body }: SignedMessage, keys: readonly Buffer[]): string {
  return keys.map(key => `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`).join(' ')
}
