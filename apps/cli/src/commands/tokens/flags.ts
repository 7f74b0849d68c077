import type { CommandDefinition, Flag } from '../../command/command.js'
import type { TokensOptions } from './action.js'

const load = async () => import('./action.js')

const fileFlag: Flag = {
  flag: '--tokens-file <file>',
  group: 'server',
  text: 'file of the tokens',
  otherwise: '$LAYERMILL_HOME/tokens.jsonl',
  complete: 'file',
}

export const tokens: CommandDefinition = {
  name: 'tokens',
  group: 'Fleet',
  text: 'say who may use the HTTP API of layermill serve; only hashes are kept',
  examples: [],
  commands: [
    {
      name: 'add',
      text: 'make a token, and show it once',
      arguments: [{ name: '<name>', text: 'name of its holder' }],
      flags: [
        fileFlag,
        {
          flag: '--scopes <list>',
          group: 'server',
          text: 'rights: read, submit (and cancel, resume), admin',
          choices: ['read', 'submit', 'admin'],
          several: true,
          required: true,
        },
        { flag: '--expires <time>', group: 'server', text: 'time of its end, as 2027-01-01T00:00:00Z', otherwise: 'never' },
      ],
      examples: ['tokens add anna --scopes submit --expires 2027-01-01T00:00:00Z > anna.token'],
      action: async (output, options: TokensOptions, name: string) => (await load()).addToken(output, name, options),
    },
    {
      name: 'list',
      text: 'list names, scopes and times',
      flags: [fileFlag],
      examples: ['tokens list'],
      action: async (output, options: TokensOptions) => (await load()).listTokens(output, options),
    },
    {
      name: 'remove',
      text: 'refuse a token from now on',
      arguments: [{ name: '<name>', text: 'name of its holder', complete: 'token' }],
      flags: [fileFlag],
      examples: ['tokens remove anna'],
      action: async (output, options: TokensOptions, name: string) => (await load()).removeTokenCommand(output, name, options),
    },
  ],
}
