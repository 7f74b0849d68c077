import type { Output } from '../../output/output.js'
import type { RunsOptions } from '../runs/action.js'
import { withRunClient } from '../../run/submit.js'

export type FleetChange = 'pause' | 'resume' | 'show'

/** `layermill fleet pause|resume|show`: whether workers may begin anything. They finish the work that they have. */
export async function fleetCommand(output: Output, what: FleetChange, options: RunsOptions): Promise<void> {
  await withRunClient(output, options, async ({ fleet, flag }) => {
    const state = await (what === 'show' ? fleet.state() : fleet[what]())
    if (options.json) output.json(state)
    else output.line(state.paused ? `workers are paused; to go on: layermill fleet resume ${flag}` : 'workers take what is queued')
  })
}
