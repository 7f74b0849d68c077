/** Extensions of pictures that are read. */
const knownExtensions = new Set([
  'jpg',
  'jpeg',
  'jpe',
  'jfif',
  'png',
  'webp',
  'gif',
  'tif',
  'tiff',
  'bmp',
  'dib',
  'avif',
  'heic',
  'heif',
  'ppm',
  'pgm',
  'pbm',
  'pnm',
  'apng',
])

/** Extensions of pictures that are not read: somebody may miss them. */
const otherPictures = new Set([
  'jp2',
  'j2k',
  'jpf',
  'jpx',
  'j2c',
  'jxl',
  'jxr',
  'wdp',
  'hdp',
  'tga',
  'qoi',
  'psd',
  'svg',
  'svgz',
  'ico',
  'icns',
  'pcx',
  'exr',
  'hdr',
  'dds',
  'xcf',
  'eps',
  'pam',
  'pfm',
  'fits',
  'dcm',
  'nef',
  'cr2',
  'cr3',
  'arw',
  'dng',
  'orf',
  'rw2',
  'raf',
  'raw',
  'mng',
  'ras',
  'sgi',
  'bpg',
  'flif',
])

/** Names of files and folders that systems leave beside pictures: thumbnails, indexes, resource forks. */
const systemNames = new Set([
  '.ds_store',
  '__macosx',
  'thumbs.db',
  'ehthumbs.db',
  'desktop.ini',
  '@eadir',
  '#recycle',
  '$recycle.bin',
  '.thumbnails',
  '.trashes',
  '.spotlight-v100',
  '.fseventsd',
  '.appledouble',
  '.directory',
  '.picasa.ini',
  'picasa.ini',
  '.comments',
  '.xvpics',
  '.@__thumb',
  '@__thumb',
  'system volume information',
  '.ipynb_checkpoints',
  '.git',
  '.dvc',
])

/** A name's extension in lower case, '' where it has none. */
export function extensionOf(name: string): string {
  return /[^/]\.([^./]+)$/.exec(name)?.[1]?.toLowerCase() ?? ''
}

/** The extensions that images are recognised by. */
export const imageExtensions = (): string[] => [...knownExtensions]

export function isImageName(name: string): boolean {
  return knownExtensions.has(extensionOf(name))
}

/** Whether one part of a path is a system's own file or folder, and never a picture or a class of somebody's. */
export function isSystemName(name: string): boolean {
  return name.startsWith('._') || systemNames.has(name.toLowerCase())
}

/** Why a file is not taken, by its name. */
export function reasonOf(name: string): string {
  const extension = extensionOf(name)
  if (extension === '') return 'without extension, and not a picture'
  return otherPictures.has(extension) ? `.${extension} (a picture format that is not read)` : `.${extension}`
}

/** Bytes of a file's beginning that say whether it is a picture. */
export const magicBytes = 16

const startsWith = (bytes: Uint8Array, text: string, at = 0): boolean =>
  Array.from(text).every((char, i) => bytes[at + i] === char.charCodeAt(0))

/** Whether a file that has no extension begins as a picture does. */
export function beginsAsImage(bytes: Uint8Array): boolean {
  if (startsWith(bytes, '\xff\xd8\xff') || startsWith(bytes, '\x89PNG') || startsWith(bytes, 'GIF8')) return true
  if (/^P[1-6]\s[\s\d#]/.test(String.fromCharCode(...bytes.subarray(0, 4)))) return true
  if (startsWith(bytes, 'RIFF') && startsWith(bytes, 'WEBP', 8)) return true
  if (startsWith(bytes, 'II*\0') || startsWith(bytes, 'MM\0*') || startsWith(bytes, 'II+\0') || startsWith(bytes, 'MM\0+')) return true
  // A bitmap's reserved fields are zero, where a text that begins with BM has letters.
  if (startsWith(bytes, 'BM') && startsWith(bytes, '\0\0\0\0', 6)) return true
  return startsWith(bytes, 'ftyp', 4) && ['avif', 'avis', 'heic', 'heix', 'mif1', 'msf1', 'hevc'].some(brand => startsWith(bytes, brand, 8))
}
