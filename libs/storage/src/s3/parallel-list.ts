import { allBefore, compareUtf8 } from '../keys.js'
import type { Bucket, S3Object } from './bucket.js'

/** Folders whose first pages are asked for ahead of the reader; each waits with two pages of 1,000 at most. */
const foldersAhead = 8

interface Started {
  readonly stream: AsyncGenerator<S3Object>
  readonly first: Promise<IteratorResult<S3Object>>
}

/**
 * Objects whose key starts with `prefix`, in order, with several folders listed at once: one listing gives 1,000 keys an answer and cannot
 * be hurried, but folders have listings of their own. Where the prefix holds no folders, or more entries than one answer, it is one
 * listing.
 *
 * @param prefix '' or ending with '/'
 */
export async function* listFoldersAhead(bucket: Bucket, prefix: string, after = ''): AsyncGenerator<S3Object> {
  const top = await bucket.top(prefix)
  if (top === undefined || top.folders.length < 2) {
    yield* bucket.list(prefix, after === '' ? undefined : after)
    return
  }
  const folders = top.folders.filter(folder => !allBefore(folder, after))
  const objects = new Map(top.objects.filter(({ key }) => compareUtf8(key, after) > 0).map(object => [object.key, object]))
  const order = [...folders, ...objects.keys()].sort(compareUtf8)
  const waiting = [...folders]
  const started: Started[] = []
  const startMore = (): void => {
    for (let folder = waiting[0]; folder !== undefined && started.length < foldersAhead; folder = waiting[0]) {
      waiting.shift()
      const stream = bucket.list(folder, after.startsWith(folder) ? after : undefined)
      const first = stream.next()
      // It may fail while an earlier folder is read; the error is thrown when its turn comes.
      first.catch(() => undefined)
      started.push({ stream, first })
    }
  }
  try {
    for (const key of order) {
      const object = objects.get(key)
      if (object !== undefined) {
        yield object
        continue
      }
      startMore()
      yield* drain(started)
    }
  } finally {
    for (const { stream } of started) void stream.return(undefined)
  }
}

async function* drain(started: Started[]): AsyncGenerator<S3Object> {
  const [next] = started
  if (next === undefined) return
  const first = await next.first
  if (first.done !== true) {
    yield first.value
    yield* next.stream
  }
  started.shift()
}
