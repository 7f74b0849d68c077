import type { CommandDefinition } from '../command/command.js'
import { advise } from './advise/flags.js'
import { audit } from './audit/flags.js'
import { compare } from './compare/flags.js'
import { complete, completion } from './completion/flags.js'
import { evaluate } from './evaluate/flags.js'
import { exportFeatures } from './export/flags.js'
import { explain } from './explain/flags.js'
import { extract } from './extract/flags.js'
import { finetune } from './finetune/flags.js'
import { fleet } from './fleet/flags.js'
import { models } from './models/flags.js'
import { predict } from './predict/flags.js'
import { probe } from './probe/flags.js'
import { runs } from './runs/flags.js'
import { schedule } from './schedule/flags.js'
import { serve } from './serve/flags.js'
import { similar } from './similar/flags.js'
import { tokens } from './tokens/flags.js'
import { up } from './up/flags.js'
import { verifyDevice } from './verify-device/flags.js'
import { weights } from './weights/flags.js'
import { worker } from './worker/flags.js'

/** Every command, in the order of the help. A new one is a folder beside these and one word here. */
export const commands: readonly CommandDefinition[] = [
  extract,
  predict,
  finetune,
  advise,
  evaluate,
  explain,
  similar,
  compare,
  audit,
  probe,
  exportFeatures,
  models,
  weights,
  serve,
  worker,
  runs,
  fleet,
  schedule,
  tokens,
  up,
  verifyDevice,
  completion,
  complete(() => commands),
]
