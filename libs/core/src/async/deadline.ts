/**
 * A promise's answer, or `late`'s where it takes too long. The work that is late goes on in the background; an error of it is then
 * nobody's.
 *
 * @param milliseconds at most 2^31 - 1
 * @param late answers in place of the work, or throws
 * @throws what the work or `late` throws
 */
export async function withDeadline<Result, Late>(
  work: Result | PromiseLike<Result>,
  milliseconds: number,
  late: () => Late,
): Promise<Result | Late> {
  let timer: NodeJS.Timeout | undefined
  const expired = new Promise<void>(resolve => {
    timer = setTimeout(resolve, milliseconds)
  }).then(late)
  try {
    return await Promise.race([work, expired])
  } finally {
    clearTimeout(timer)
  }
}

/** Whether the work ended, well or not, within the time. */
export function endsWithin(work: Promise<unknown>, milliseconds: number): Promise<boolean> {
  return withDeadline(
    work.then(
      () => true,
      () => true,
    ),
    milliseconds,
    () => false,
  )
}
