import type { CommandDefinition } from '../../command/command.js'
import { reachFlags } from '../../command/shared-flags.js'
import type { RunsOptions } from '../runs/action.js'
import type { FleetChange } from './action.js'

const change = (name: FleetChange, text: string): CommandDefinition => ({
  name,
  text,
  flags: reachFlags,
  examples: [`fleet ${name} --queue redis://localhost:6379`],
  action: async (output, options: RunsOptions) => (await import('./action.js')).fleetCommand(output, name, options),
})

export const fleet: CommandDefinition = {
  name: 'fleet',
  group: 'Fleet',
  text: 'pause and resume all workers of a fleet',
  examples: ['fleet pause --queue redis://localhost:6379', 'fleet resume --server https://layermill.example'],
  commands: [
    change('pause', 'let workers finish what they have and begin nothing more'),
    change('resume', 'let workers go on'),
    change('show', 'tell whether workers may begin anything'),
  ],
}
