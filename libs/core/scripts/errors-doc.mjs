// Writes docs/errors.md from the table of failure codes. Build first.
import { writeFileSync } from 'node:fs'
import { errorsMarkdown } from '../dist/errors/failure-codes.js'

writeFileSync(new URL('../../../docs/errors.md', import.meta.url), errorsMarkdown())
