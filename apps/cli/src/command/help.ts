import type { HelpConfiguration } from 'commander'
import { type Flag, takesValue } from './command.js'

/** Text with a capital at its start and no full stop at its end. */
const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1).replace(/\.$/, '')

/** Value that is taken where a flag is left out, in words. */
export function defaultText({ value, otherwise, required = false, needed, env, ...flag }: Flag): string {
  if (required) return env === undefined ? 'required' : `required, or $${env}`
  if (needed !== undefined) return `required, ${needed}`
  const words = otherwise ?? value ?? (takesValue(flag) ? 'none' : 'off')
  return `default: ${env === undefined ? words : `$${env}, else ${words}`}`
}

/** A flag's description in the help: text, choices, default. */
export function flagText(flag: Flag): string {
  const { choices, several = false, repeated = false, text } = flag
  const facts = [
    ...(choices === undefined ? [] : [`${several ? 'some of' : 'one of'}: ${choices.join(', ')}`]),
    ...(repeated ? ['may be repeated'] : []),
    defaultText(flag),
  ]
  return `${sentence(text)} (${facts.join('; ')})`
}

/** Layout of every help page. */
export const helpConfiguration: HelpConfiguration = {
  // Choices and defaults are in the description already, in plain words.
  optionDescription: option => sentence(option.description),
  argumentDescription: argument => sentence(argument.description),
  commandDescription: command => sentence(command.description()),
  subcommandDescription: command => sentence(command.description()),
  // Flags of commands that are not called are not known yet.
  subcommandTerm: command =>
    [
      command.name(),
      ...command.registeredArguments.map(argument => (argument.required ? `<${argument.name()}>` : `[${argument.name()}]`)),
    ].join(' '),
}
