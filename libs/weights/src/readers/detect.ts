import { LayermillError, mostSafetensorsHeaderBytes, type RandomAccess, readBytes, safetensorsTextBytes } from '@layermill/core'
import type { ReadOptions, TensorFile } from '../types.js'
import { isKerasEntry } from './keras-paths.js'
import { openCaffemodel } from './caffemodel.js'
import { openH5 } from './h5.js'
import { openSafetensors } from './safetensors.js'

const expected = '.safetensors, .npz, .caffemodel, .h5 and .keras are read'
/** Two lines of Python that turn a checkpoint into what is read: a state dict, or a dictionary that holds one. */
function conversion(name: string): string {
  const out = `${name.replace(/\.(pth|pt|bin|ckpt|pkl|tar)+$/i, '')}.safetensors`
  return `convert it in Python:
import torch, safetensors.torch; s = torch.load(${JSON.stringify(name)}, map_location='cpu', weights_only=True)
safetensors.torch.save_file({k: v.clone().contiguous() for k, v in next((s[n] for n in ('state_dict', 'model_state_dict', 'model') if n in s), s).items() if hasattr(v, 'clone')}, ${JSON.stringify(out)})`
}

function refuse(file: RandomAccess, what: string, hint: string = expected): LayermillError {
  return new LayermillError('WEIGHTS_FORMAT', `${file.name} is ${what}`, { hint })
}

/** The name in a zip archive's first local header. */
const firstEntry = (head: Buffer): string => (head.length > 30 ? head.toString('latin1', 30, 30 + head.readUInt16LE(26)) : '')

/** PyTorch's checkpoints are zip archives too, of a pickle and raw data. */
const isTorchEntry = (name: string): boolean => /(^|\/)(data\.pkl|byteorder|\.format_version|\.data\/|version)/.test(name)

async function looksLikeSafetensors(file: RandomAccess, head: Buffer): Promise<boolean> {
  if (head.length < 9 || head[8] !== 0x7b) return false
  return safetensorsTextBytes(head) <= mostSafetensorsHeaderBytes && (await readBytes(file, 8, 1))[0] === 0x7b
}

/**
 * Opens a file of weights in any format that is read. The contents decide, not the name.
 * @throws LayermillError `WEIGHTS_FORMAT` (nothing that is read, with what it seems to be), `WEIGHTS_TRUNCATED`.
 */
export async function openTensorFile(file: RandomAccess, options: ReadOptions = {}): Promise<TensorFile> {
  if (file.size === 0) throw new LayermillError('WEIGHTS_TRUNCATED', `${file.name} is empty`)
  const head = await readBytes(file, 0, Math.min(file.size, 512))
  const text = head.toString('latin1')
  if (text.startsWith('\x89HDF')) return openH5(file)
  if (text.startsWith('PK\x03\x04') || text.startsWith('PK\x05\x06')) {
    const first = firstEntry(head)
    if (isTorchEntry(first)) throw refuse(file, 'a PyTorch checkpoint: pickled Python objects are never unpickled', conversion(file.name))
    // Loaded where it is needed, with the zip library.
    if (isKerasEntry(first)) return (await import('./keras-archive.js')).openKerasArchive(file)
    return (await import('./npz.js')).openNpz(file)
  }
  if (await looksLikeSafetensors(file, head)) return openSafetensors(file, options)
  if (head[0] === 0x80 && head[1]! <= 5)
    throw refuse(file, 'a Python pickle (an old .pth?), which is never unpickled', conversion(file.name))
  if (text.startsWith('\x93NUMPY')) throw refuse(file, 'a single .npy array; an .npz archive of all parameters was expected')
  if (text.startsWith('\x1f\x8b')) throw refuse(file, 'compressed by gzip', 'decompress it first')
  if (/^\s*<(!doctype|html|\?xml)/i.test(text))
    throw refuse(file, 'a web page, not weights', 'the download went wrong; get the file itself')
  if (text.startsWith('version https://git-lfs'))
    throw refuse(file, 'a Git LFS pointer, not the file itself', 'run git lfs pull where it came from')
  if (head[0] === 0x08 && /\.onnx$/i.test(file.name)) throw refuse(file, 'an ONNX model; its weights carry no dependable names')
  // NetParameter begins with its name (1), a layer (2 or 100), or one of the input fields (3 to 8).
  if (head[0] === 0x0a || head[0] === 0x12 || head[0] === 0x1a || (head[0] === 0xa2 && head[1] === 0x06)) return openCaffemodel(file)
  throw refuse(file, 'in no known format of weights')
}
