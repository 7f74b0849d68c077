import type { CommandDefinition } from '../../command/command.js'
import type { UpOptions } from './action.js'

export const up: CommandDefinition = {
  name: 'up',
  group: 'Setup',
  text: 'print the systemd unit that keeps layermill serve running on this machine, or install it for this user',
  flags: [
    { flag: '--install', group: 'running', text: 'write the unit to ~/.config/systemd/user/layermill.service' },
    { flag: '--port <number>', group: 'server', text: 'port of the page and the HTTP API', value: '8080' },
    { flag: '--workers <number>', group: 'running', text: 'workers inside the process', value: '1' },
  ],
  examples: ['up', 'up --install --workers 2'],
  action: async (output, options: UpOptions) => (await import('./action.js')).upCommand(output, options),
}
