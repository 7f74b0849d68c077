import type { CommandDefinition } from '../../command/command.js'

export const completion: CommandDefinition = {
  name: 'completion',
  group: 'Setup',
  text: 'print the script that lets a shell complete commands, flags, choices, networks, layers, models and schedules',
  arguments: [{ name: '<shell>', text: 'bash, zsh or fish', choices: ['bash', 'zsh', 'fish'] }],
  examples: [
    'completion bash > ~/.local/share/bash-completion/completions/layermill',
    'completion zsh > ~/.zsh/completions/_layermill',
    'completion fish > ~/.config/fish/completions/layermill.fish',
  ],
  action: async (output, _options: object, shell: string) => (await import('./action.js')).completionCommand(output, shell),
}

/** Command that the scripts call with each press of the tab key. Not part of the help. @param all every command, asked when it runs */
export const complete = (all: () => readonly CommandDefinition[]): CommandDefinition => ({
  name: 'complete-words',
  hidden: true,
  text: 'print the words that may stand in the place of the last one',
  arguments: [{ name: '[words...]', text: 'words of the command line after layermill, the one to complete last' }],
  examples: ['complete-words extract'],
  action: async (output, _options: object, words: string[]) => (await import('./action.js')).completeCommand(output, words, all()),
})
