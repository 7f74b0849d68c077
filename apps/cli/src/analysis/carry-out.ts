import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { LayermillError, receivedCode } from '@layermill/core'
import type { AllowedPlacesOptions, CarryOutAnalysis } from '@layermill/orchestrator/service'
import type { AnalysisAnswer, AnalysisTask } from './analysis-process.js'

/** Characters of what a process wrote that are kept: its answer is the last line. */
const kept = 64 * 1024

/**
 * Carries out audits and comparisons, each in a process of its own: the server answers others meanwhile, and memory is given back. The
 * process ends with the server, however that ends.
 * @param places what lists of images may name
 */
export function analyseElsewhere(places: AllowedPlacesOptions): CarryOutAnalysis {
  return async (job, signal) => {
    signal.throwIfAborted()
    const task: AnalysisTask = { job, places }
    const child = spawn(process.execPath, [fileURLToPath(new URL('./analysis-process.js', import.meta.url)), JSON.stringify(task)], {
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    const stop = (): void => void child.kill('SIGKILL')
    signal.addEventListener('abort', stop)
    let text = ''
    try {
      const ending = await new Promise<string>((resolve, reject) => {
        child.once('error', reject)
        child.once('close', (code, killed) => resolve(killed ?? `exit code ${code}`))
        child.stdin.on('error', () => undefined)
        child.stdout.setEncoding('utf8').on('data', (piece: string) => {
          text = (text + piece).slice(-kept)
        })
      })
      signal.throwIfAborted()
      const line = text.trimEnd().split('\n').at(-1) ?? ''
      if (!line.startsWith('{')) throw new LayermillError('WORKER_LOST', `the process of the ${job.kind} of ${job.run} ended (${ending})`)
      const answer = JSON.parse(line) as AnalysisAnswer
      if (!answer.done) throw new LayermillError(receivedCode(answer.code), answer.message, { hint: answer.hint })
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }
}
