import { LayermillError } from '@layermill/core'
import type { CommandDefinition } from '../../command/command.js'
import type { Output } from '../../output/output.js'
import { candidates } from './candidates.js'
import { scripts } from './scripts.js'

/** `layermill completion SHELL`: the script to be kept where the shell looks for it. */
export async function completionCommand(output: Output, shell: string): Promise<void> {
  const script = Object.hasOwn(scripts, shell) ? scripts[shell as keyof typeof scripts] : undefined
  if (script === undefined)
    throw new LayermillError('SPEC_INVALID', `completion: got ${JSON.stringify(shell)}, expected one of ${Object.keys(scripts).join(', ')}`)
  output.line(script)
}

/** A line for each word that may follow. Never fails: a shell in the middle of a line has no place for errors. */
export async function completeCommand(output: Output, words: readonly string[], commands: readonly CommandDefinition[]): Promise<void> {
  const found = await candidates(words, commands).catch(() => undefined)
  if (found === undefined) return
  for (const word of found.words) output.line(word)
  // The shell completes files by itself.
  if (found.files) output.line(':files')
}
