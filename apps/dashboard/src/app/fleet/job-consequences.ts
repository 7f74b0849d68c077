import type { QueueJob } from '@layermill/contracts'

const retried: Readonly<Record<string, string>> = {
  'layermill-runs': 'The run is resumed: what is committed stays, the rest is computed.',
  'layermill-parts':
    'A worker computes and commits the part, with all its attempts anew. The run that failed with it goes on only when it is resumed; it then finds the part done.',
  'layermill-gradients': 'A worker computes the micro-batch again. A run that failed with it does not notice: resume the run instead.',
  'layermill-webhooks': 'The event is delivered again, with all attempts anew.',
}

const removed: Readonly<Record<string, string>> = {
  'layermill-runs': 'The run leaves the list of runs. What it wrote stays, and "layermill runs resume OUT" goes on with it.',
  'layermill-parts':
    'Results stay as they are. A run under way that still needs the part queues it again within half a minute: to stop the work, cancel the run.',
  'layermill-gradients':
    'A run under way that still needs the micro-batch queues it again within seconds: to stop the work, cancel the run.',
  'layermill-webhooks': 'The event is not delivered by this job. Where it was delivered, the queue forgets that it was.',
}

/** Consequence of trying a job of a queue again, or of removing it. */
export function consequence(queue: string, what: 'retry' | 'remove', state: QueueJob['state']): string {
  if (what === 'retry') return retried[queue] ?? 'It is queued again.'
  if (state === 'failed' && queue !== 'layermill-runs')
    return 'What is known of its failure goes with it. The run and its results stay as they are.'
  return removed[queue] ?? 'It is taken off the queue.'
}
