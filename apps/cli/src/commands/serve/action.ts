import { dashboardFolder } from '@layermill/dashboard'
import { serve, type ServeOptions } from '@layermill/orchestrator/main'

/** `layermill serve`: the orchestrator, until it is told to stop. */
export const serveCommand = async (options: ServeOptions): Promise<number> => serve(options, dashboardFolder())
