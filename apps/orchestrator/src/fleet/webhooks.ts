import { readFile } from 'node:fs/promises'
import { OperatorWebhookUrl } from '@layermill/contracts'
import { errorCode, LayermillError } from '@layermill/core'
import { parseSecrets } from '../notify/sign.js'
import type { WebhookOptions } from '../notify/webhook-worker.js'

export interface WebhookFlags {
  webhook?: string[]
  allowPrivateWebhooks?: boolean
}

async function secretText(): Promise<{ text: string; where: string } | undefined> {
  const file = process.env['LAYERMILL_WEBHOOK_SECRET_FILE']
  if (file !== undefined && file !== '') {
    const text = await readFile(file, 'utf8').catch((cause: unknown) => {
      throw new LayermillError('WEBHOOK_SECRET', `LAYERMILL_WEBHOOK_SECRET_FILE ${file} cannot be read: ${errorCode(cause)}`, { cause })
    })
    return { text, where: `LAYERMILL_WEBHOOK_SECRET_FILE ${file}` }
  }
  const text = process.env['LAYERMILL_WEBHOOK_SECRET']
  return text === undefined || text === '' ? undefined : { text, where: 'LAYERMILL_WEBHOOK_SECRET' }
}

/**
 * Options of the webhooks of `serve`: the URLs of `--webhook` and LAYERMILL_WEBHOOKS, and the secret of the environment or its file.
 * @throws LayermillError `SPEC_INVALID` for what is not a URL; `WEBHOOK_SECRET` where there are webhooks and no secret, or one that is too
 * short
 */
export async function webhookOptions({
  webhook = [],
  allowPrivateWebhooks = false,
}: WebhookFlags): Promise<Pick<WebhookOptions, 'urls' | 'keys' | 'allowPrivate'>> {
  const urls = [...webhook, ...(process.env['LAYERMILL_WEBHOOKS'] ?? '').split(/[\s,]+/).filter(url => url !== '')]
  for (const url of urls) {
    if (!OperatorWebhookUrl.safeParse(url).success)
      throw new LayermillError('SPEC_INVALID', '--webhook: expected an http:// or https:// URL without credentials')
  }
  const secret = await secretText()
  if (urls.length > 0 && secret === undefined) {
    throw new LayermillError(
      'WEBHOOK_SECRET',
      '--webhook needs a secret to sign with, in LAYERMILL_WEBHOOK_SECRET or the file of LAYERMILL_WEBHOOK_SECRET_FILE',
      {
        hint: 'make one with: echo whsec_$(openssl rand -base64 32)',
      },
    )
  }
  return { urls, keys: secret === undefined ? [] : parseSecrets(secret.text, secret.where), allowPrivate: allowPrivateWebhooks }
}
