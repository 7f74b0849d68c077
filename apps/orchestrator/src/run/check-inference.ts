import type { ExtractSpec, LayerResult, PredictSpec } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { getNetwork, layerShapes, type Network, networkIds, preparedAs } from '@layermill/models'
import { layerResults, runInputSize } from './identity.js'

export type InferenceSpec = ExtractSpec | PredictSpec

/** Shapes and sizes of what a run writes of its layers; nothing of a prediction's, whose input size is checked all the same. */
export function resultsOf(spec: InferenceSpec, network: Network): LayerResult[] {
  if (spec.kind === 'extract') return layerResults(spec, network)
  layerShapes(network, [network.probabilities], runInputSize(spec, network))
  return []
}

/**
 * Refuses layers, sizes and precisions that the named network and the device do not have, before weights are loaded. `checkSpec` does so
 * for every kind of run.
 * @throws LayermillError `LAYER_UNKNOWN`, `INPUT_SIZE`, `PRECISION_UNAVAILABLE`, `PREPARATION_UNKNOWN`.
 */
export function checkInference(spec: InferenceSpec): void {
  const onCpu = spec.engine === 'onnx' && (spec.device === 'cpu' || spec.device === 'auto')
  if (spec.precision === 'int8' && !onCpu) {
    throw new LayermillError(
      'PRECISION_UNAVAILABLE',
      `--precision int8 is computed by ONNX Runtime on the CPU, not by --engine ${spec.engine} with --device ${spec.device}`,
      {
        hint: 'leave out --engine and --device, or --precision',
      },
    )
  }
  const halves = spec.engine === 'onnx' && ['auto', 'cuda', 'webgpu'].includes(spec.device)
  if (spec.precision === 'fp16' && !halves) {
    throw new LayermillError(
      'PRECISION_UNAVAILABLE',
      `--precision fp16 is computed by ONNX Runtime on cuda and webgpu, not by --engine ${spec.engine} with --device ${spec.device}`,
      {
        hint: 'give --device cuda or webgpu, or leave out --precision; --dtype float16 alone halves the files',
      },
    )
  }
  if (networkIds.includes(spec.model)) resultsOf(spec, preparedAs(getNetwork(spec.model), spec.prepare))
}
