import type { TensorFile } from '../types.js'
import { caffeNames, chainerNames, kerasNames, type NameScheme, timmNames, torchvisionNames } from './scheme.js'

/** The naming scheme of a file, by its format and, where one format has several, by its names. */
export function detectScheme(file: TensorFile): NameScheme {
  switch (file.format) {
    case 'npz':
      return chainerNames
    case 'caffemodel':
      return caffeNames
    case 'h5':
    case 'keras':
      return kerasNames
    case 'safetensors': {
      const names = [...file.entries.keys()]
      if (names.some(name => name.includes('/'))) return chainerNames
      return names.some(name => name.startsWith('pre_logits.')) ? timmNames : torchvisionNames
    }
  }
}
