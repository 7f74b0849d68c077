import { useEffect, useState } from 'preact/hooks'
import { getJson, token } from './api.js'

export interface Polled<T> {
  readonly data: T | undefined
  readonly error: unknown
  /** Asks again at once. */
  readonly refresh: () => void
}

/**
 * Answer of the server at `path`, asked again every `interval` ms while the page is visible. 0 asks once. No path asks nothing.
 * @param isLast tells the answer after which none other is asked for
 */
export function usePolled<T>(path: string | undefined, interval: number, isLast: (data: T) => boolean = () => false): Polled<T> {
  const [state, setState] = useState<{ path?: string; data?: T; error?: unknown }>({})
  const [round, setRound] = useState(0)
  useEffect(() => {
    if (path === undefined) return undefined
    const controller = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    let ended = false
    const ask = async (): Promise<void> => {
      try {
        if (document.visibilityState === 'visible') {
          const data = await getJson<T>(path, controller.signal)
          ended = isLast(data)
          setState({ path, data })
        }
      } catch (error) {
        if (controller.signal.aborted) return
        setState(old => ({ path, data: old.path === path ? old.data : undefined, error }))
      }
      if (interval > 0 && !ended && !controller.signal.aborted) timer = setTimeout(() => void ask(), interval)
    }
    void ask()
    return () => {
      controller.abort()
      clearTimeout(timer)
    }
  }, [path, interval, round, token.value])
  const fresh = state.path === path
  return { data: fresh ? state.data : undefined, error: fresh ? state.error : undefined, refresh: () => setRound(count => count + 1) }
}
