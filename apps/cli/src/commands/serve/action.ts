import { dashboardFolder } from '@layermill/dashboard'
import { startLocalWorkers } from '@layermill/gpu-worker/main'
import { serve, type ServeOptions } from '@layermill/orchestrator/main'
import { analyseElsewhere } from '../../analysis/carry-out.js'
import type { Output } from '../../output/output.js'
import { openBrowser } from './open-browser.js'

export interface ServeCommandOptions extends ServeOptions {
  readonly device: string
  readonly open?: boolean
}

/** `layermill serve`: orchestrator, page and, without a queue, workers, until it is told to stop. */
export const serveCommand = async (output: Output, options: ServeCommandOptions): Promise<number> =>
  serve(options, {
    dashboard: dashboardFolder(),
    startWorkers: async (broker, workers) => startLocalWorkers(broker, { ...workers, device: options.device }),
    analyse: analyseElsewhere,
    onServing: url => {
      const page = pageUrl(url, options.basePath)
      output.note(`layermill is at ${page}; Ctrl-C stops it`)
      if (options.open === true) openBrowser(page, text => output.note(text))
    },
  })

/** Address of the page for a browser on this machine. */
function pageUrl(listening: string, basePath = ''): string {
  const url = new URL(listening)
  if (['127.0.0.1', '[::1]', '0.0.0.0', '[::]'].includes(url.hostname)) url.hostname = 'localhost'
  return `${url.origin}${basePath === '/' ? '' : basePath}`
}
