import { phasesOf, type WorkerPhases } from '@layermill/contracts'
import { escapeHtml, scrolling } from './html.js'

const speed = (value: number): string => (value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toFixed(1))

/**
 * Speeds of workers by phase as an HTML table: images a second that a phase by itself would allow, with a bar for the share of the worker's
 * time in which it had such work. A full bar is the phase that bounds the worker.
 */
export function phasesHtml(phases: readonly WorkerPhases[]): string {
  const names = phasesOf(phases)
  const rows = phases.map(({ worker = 'this process', images, seconds }) => {
    const all = Math.max(seconds.all, 1e-9)
    const most = Math.max(...names.map(name => seconds[name] ?? 0))
    const cells = names.map(name => {
      const taken = seconds[name] ?? 0
      const busy = Math.min(1, taken / all)
      const text = taken > 0 ? speed(images / taken) : '–'
      const title = `${name}: ${taken.toFixed(2)} of ${seconds.all.toFixed(2)} seconds`
      const shown = taken === most && most > 0 ? `<b>${text}</b>` : text
      return `<td class="n phase" style="--s:${busy.toFixed(3)}" title="${escapeHtml(title)}">${shown}<small>${Math.round(busy * 100)}%</small></td>`
    })
    return `<tr><th scope="row">${escapeHtml(worker)}</th><td class="n">${speed(images / all)}</td>${cells.join('')}</tr>`
  })
  const head = ['worker', 'images/s', ...names].map((name, i) => `<th${i === 0 ? '' : ' class="n"'}>${name}</th>`).join('')
  return `<p class="soft">Images a second that each phase would allow by itself, and the share of the time in which a worker had such work. Phases overlap: the one that is busy longest bounds the others.</p>
${scrolling('Images a second by worker and phase', `<table class="phases"><thead><tr>${head}</tr></thead><tbody>${rows.join('\n')}</tbody></table>`)}`
}
