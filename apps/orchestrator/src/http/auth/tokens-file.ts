import { join } from 'node:path'
import { layermillHome } from '@layermill/core'

/** The file of tokens where no flag names one. */
export const defaultTokensFile = (): string => join(layermillHome(), 'tokens.jsonl')
