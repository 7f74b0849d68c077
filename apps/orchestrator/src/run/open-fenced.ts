import type { Store } from '@layermill/storage'
import type { RunEnvironment } from './environment.js'
import type { RunArguments } from './execute.js'

/** Opens a store besides the run's own, guarded as that one is. */
export async function openFenced(
  url: string,
  environment: Pick<RunEnvironment, 'openStore'>,
  fence: RunArguments['fence'],
): Promise<Store> {
  const store = await environment.openStore(url)
  return fence === undefined ? store : fence(store)
}
