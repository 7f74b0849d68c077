import type { FinetuneSpec } from '@layermill/contracts'
import type { SourceAccess } from '@layermill/storage'

type AccessFields = Pick<FinetuneSpec, 'source' | 'split' | 'labelColumns' | 'requestPayer' | 'noSignRequest'>

/** How one of a spec's sources is reached: its split is that of the images to train on, not that of held-out ones of their own. */
export function accessOf(source: string, spec: AccessFields): SourceAccess {
  const { requestPayer, noSignRequest, split, labelColumns } = spec
  return { requestPayer, noSignRequest, labelColumns, split: source === spec.source ? split : undefined }
}
