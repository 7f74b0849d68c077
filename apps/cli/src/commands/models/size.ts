import { parseSize } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'

/** A size as `--size` gives it. @throws LayermillError `SPEC_INVALID` naming the flag */
export function sizeOfFlag(text: string): ReturnType<typeof parseSize> {
  try {
    return parseSize(text)
  } catch (error) {
    if (!(error instanceof LayermillError)) throw error
    throw new LayermillError(error.code, `--${error.message}`, { cause: error })
  }
}
