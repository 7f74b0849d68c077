import { LayermillError } from '../../errors.js'
import { readBytes } from '../random-access.js'
import type { RandomAccess } from '../random-access.js'
import type { TensorFile } from '../types.js'
import { openCaffemodel } from './caffemodel.js'
import { openH5 } from './h5.js'
import { openSafetensors } from './safetensors.js'

const EXPECTED = '.safetensors, .npz, .caffemodel and .h5 are read'
const CONVERT = "save it as .safetensors in Python: safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"

function refuse(file: RandomAccess, what: string, hint: string = EXPECTED): LayermillError {
  return new LayermillError('WEIGHTS_FORMAT', `${file.name} is ${what}`, { hint })
}

/** PyTorch's checkpoints are zip archives too, of a pickle and raw data; its name is in the first local header. */
function isTorchZip(head: Buffer): boolean {
  return /(^|\/)(data\.pkl|byteorder|\.format_version|\.data\/|version)/.test(head.toString('latin1', 30, 30 + head.readUInt16LE(26)))
}

async function looksLikeSafetensors(file: RandomAccess, head: Buffer): Promise<boolean> {
  if (head.length < 9 || head[8] !== 0x7b) return false
  const length = head.readBigUInt64LE()
  return length <= 100_000_000n && (await readBytes(file, 8, 1))[0] === 0x7b
}

/**
 * Opens a file of weights in any format that is read. The contents decide, not the name.
 * @throws LayermillError `WEIGHTS_FORMAT` (nothing that is read, with what it seems to be), `WEIGHTS_TRUNCATED`.
 */
export async function openTensorFile(file: RandomAccess): Promise<TensorFile> {
  if (file.size === 0) throw new LayermillError('WEIGHTS_TRUNCATED', `${file.name} is empty`)
  const head = await readBytes(file, 0, Math.min(file.size, 512))
  const text = head.toString('latin1')
  if (text.startsWith('\x89HDF')) return openH5(file)
  if (text.startsWith('PK\x03\x04') || text.startsWith('PK\x05\x06')) {
    if (head.length > 30 && isTorchZip(head)) throw refuse(file, 'a PyTorch checkpoint: pickled Python objects are never unpickled', CONVERT)
    // Loaded where it is needed, with the zip library.
    return (await import('./npz.js')).openNpz(file)
  }
  if (await looksLikeSafetensors(file, head)) return openSafetensors(file)
  if (head[0] === 0x80 && head[1]! <= 5) throw refuse(file, 'a Python pickle (an old .pth?), which is never unpickled', CONVERT)
  if (text.startsWith('\x93NUMPY')) throw refuse(file, 'a single .npy array; an .npz archive of all parameters was expected')
  if (text.startsWith('\x1f\x8b')) throw refuse(file, 'compressed by gzip', 'decompress it first')
  if (/^\s*<(!doctype|html|\?xml)/i.test(text)) throw refuse(file, 'a web page, not weights', 'the download went wrong; get the file itself')
  if (text.startsWith('version https://git-lfs')) throw refuse(file, 'a Git LFS pointer, not the file itself', 'run git lfs pull where it came from')
  if (head[0] === 0x08 && /\.onnx$/i.test(file.name)) throw refuse(file, 'an ONNX model; its weights carry no dependable names')
  // NetParameter begins with its name (1), a layer (2 or 100), or one of the input fields (3 to 8).
  if (head[0] === 0x0a || head[0] === 0x12 || head[0] === 0x1a || (head[0] === 0xa2 && head[1] === 0x06)) return openCaffemodel(file)
  throw refuse(file, 'in no known format of weights')
}
