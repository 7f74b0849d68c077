/**
 * Buttons to the page before and the next one; nothing where there is one page.
 * @param from places where the pages up to this one begin; the first page's is not among them
 * @param next place where the next page begins
 */
export function Pager({
  from,
  next,
  onTurn,
}: {
  from: readonly string[]
  next: string | undefined
  onTurn: (from: readonly string[]) => void
}) {
  if (from.length === 0 && next === undefined) return null
  return (
    <div class="actions pager">
      <button type="button" disabled={from.length === 0} onClick={() => onTurn(from.slice(0, -1))}>
        Earlier
      </button>
      <button type="button" disabled={next === undefined} onClick={() => next !== undefined && onTurn([...from, next])}>
        More
      </button>
    </div>
  )
}
