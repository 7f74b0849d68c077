import { type Engine, selfCheck, type SelfCheck, selfCheckFile } from '@layermill/engines'
import type { Network, Size2 } from '@layermill/models'
import { isOnnxNetwork } from '@layermill/onnx'

/**
 * Holds an engine against stored values of a network, or against itself for one from an ONNX file.
 * @param layers those of a run
 * @param size height and width of its images; left out, the network's
 * @throws LayermillError `SELF_CHECK`
 */
export function checkEngine(
  engine: Engine,
  network: Network,
  layers: readonly string[],
  size: Size2 = network.inputSize,
): Promise<SelfCheck> {
  return isOnnxNetwork(network) ? selfCheckFile(engine, network, layers, size) : selfCheck(engine, network.id)
}
