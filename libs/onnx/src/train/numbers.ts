import { elementCount, fromFloat16, openFile, type Tensor } from '@layermill/core'
import { invalid, unsupported } from '../invalid.js'
import { readNumbers } from '../read/parse-tensor.js'
import { elementName, float, float16, type TensorDef } from '../types.js'

/**
 * The numbers of a tensor of a file, in float32.
 * @param files the file of each location; '' is the ONNX file itself
 * @throws LayermillError `ONNX_UNSUPPORTED` for other types than float32 and float16, `WEIGHTS_TRUNCATED`
 */
export async function tensorNumbers(tensor: TensorDef, files: ReadonlyMap<string, string>, file: string): Promise<Tensor> {
  const { type, dims, place, name } = tensor
  if (type !== float && type !== float16) throw unsupported(file, `tensor '${name}' is of ${elementName(type)}, which cannot learn`)
  const shape = [...dims]
  if (place === undefined) {
    const numbers = readNumbers(tensor, file)
    if (numbers?.length !== elementCount(dims)) throw invalid(file, `tensor '${name}' has not the numbers that its shape says`)
    return { shape, data: Float32Array.from(numbers) }
  }
  await using opened = await openFile(files.get(place.location)!)
  // A buffer of its own, so that numbers of any width lie aligned.
  const bytes = new Uint8Array(place.length)
  await opened.read(place.offset, bytes)
  const data = type === float ? new Float32Array(bytes.buffer) : fromFloat16(new Uint16Array(bytes.buffer))
  return { shape, data }
}
