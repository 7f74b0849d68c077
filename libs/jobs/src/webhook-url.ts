import { z } from 'zod'
import { hasCredentials } from './redact.js'

/** A URL that events are sent to. */
export const WebhookUrl = z.string({ error: 'an http:// or https:// URL' }).max(2048, 'a URL of at most 2048 characters')
  .refine(value => /^https?:\/\//i.test(value) && URL.canParse(value), 'an http:// or https:// URL')
  .refine(value => !hasCredentials(value), 'a URL without credentials (receivers check the signature)')

export const webhookUrls = z.array(WebhookUrl).max(10, 'at most 10 URLs')
