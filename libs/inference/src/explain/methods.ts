import { type EvidenceMap, gradCam, gradCamPlusPlus, gradientTimesInput, layerCam, type LayerEvidence, saliency } from '@layermill/analysis'

/** Ways of telling where in an image a score comes from. */
export const explainMethods = ['grad-cam', 'grad-cam++', 'layer-cam', 'gradient-x-input', 'saliency', 'occlusion'] as const
export type ExplainMethod = (typeof explainMethods)[number]

/** Methods that look at a layer with maps; the others look at the image itself. */
export const layerMethods: Readonly<Partial<Record<ExplainMethod, (evidence: LayerEvidence) => EvidenceMap>>> = {
  'grad-cam': gradCam,
  'grad-cam++': gradCamPlusPlus,
  'layer-cam': layerCam,
}

/** Methods that look at the gradient of the prepared image. */
export const inputMethods: Readonly<Partial<Record<ExplainMethod, (evidence: LayerEvidence) => Float64Array>>> = {
  'gradient-x-input': gradientTimesInput,
  saliency,
}
