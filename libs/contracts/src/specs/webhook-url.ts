import * as z from 'zod'
import { hasCredentials } from '@layermill/core'

/** A URL that events are sent to, as an operator gives it: its query may hold a secret, so it is kept in the process only. */
export const OperatorWebhookUrl = z
  .string({ error: 'an http:// or https:// URL' })
  .max(2048, 'a URL of at most 2048 characters')
  .refine(value => /^https?:\/\//i.test(value) && URL.canParse(value), 'an http:// or https:// URL')
  .refine(
    value => URL.canParse(value) && new URL(value).username === '' && new URL(value).password === '',
    'a URL without credentials (receivers check the signature)',
  )

/** A URL that events are sent to, as specs and jobs name it: it is stored and shown. */
export const WebhookUrl = OperatorWebhookUrl.refine(
  value => !hasCredentials(value),
  'a URL without credentials, in its query as well (receivers check the signature)',
)

export const webhookUrls = z.array(WebhookUrl).max(10, 'at most 10 URLs')
