import type { FinetuneSpec } from '@layermill/contracts'
import type { SourceAccess } from '@layermill/storage'

/** How one of a spec's sources is reached: its split is that of the images to train on, not that of held-out ones of their own. */
export function accessOf(source: string, spec: Pick<FinetuneSpec, 'source' | 'split' | 'requestPayer' | 'noSignRequest'>): SourceAccess {
  const { requestPayer, noSignRequest, split } = spec
  return { requestPayer, noSignRequest, split: source === spec.source ? split : undefined }
}
