import { errorCode, type ErrorCode, errorMessage, LayermillError } from '@layermill/core'

const codes: Readonly<Record<string, [code: ErrorCode, what: string, hint: string]>> = {
  ENOSPC: ['STORE_FULL', 'no space is left', 'Free some space there and run the same command again: it goes on where it stopped.'],
  EDQUOT: ['STORE_FULL', 'the disk quota is used up', 'Free some space there and run the same command again: it goes on where it stopped.'],
  EFBIG: ['STORE_FULL', 'the file would be larger than allowed there', 'Use a smaller --part-size, or raise the limit on file sizes.'],
  EACCES: ['STORE_DENIED', 'permission denied', 'Check the owner and permissions of the folder.'],
  EPERM: ['STORE_DENIED', 'operation not permitted', 'Check the owner and permissions of the folder.'],
  EROFS: ['STORE_DENIED', 'the file system is read-only', 'Choose another folder.'],
  EISDIR: ['KEY_INVALID', 'a folder is in the place of this file', 'Choose another folder, or remove what is there.'],
  ENOTDIR: ['KEY_INVALID', 'a file is in the place of a folder above it', 'Choose another folder, or remove what is there.'],
  EEXIST: ['KEY_INVALID', 'a file is in the place of a folder above it', 'Choose another folder, or remove what is there.'],
  ENAMETOOLONG: ['KEY_INVALID', 'the name is too long for this file system', 'Names are limited to 255 bytes on most file systems.'],
  EXDEV: [
    'STORE_FAILED',
    'a folder inside the store is another file system',
    'A store must be one file system: writes are renames within it.',
  ],
}

/** A system error on a store's file as the project's own error; LayermillErrors pass unchanged. */
export function fileError(action: string, path: string, error: unknown): LayermillError {
  if (error instanceof LayermillError) return error
  const known = codes[errorCode(error)]
  if (known === undefined) return new LayermillError('STORE_FAILED', `cannot ${action} ${path}: ${errorMessage(error)}`, { cause: error })
  return new LayermillError(known[0], `cannot ${action} ${path}: ${known[1]}`, { hint: known[2], cause: error })
}

/** True where the error says that there is nothing under a path. */
export function isAbsent(error: unknown): boolean {
  const code = errorCode(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}
