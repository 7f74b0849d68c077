const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

export const count = (value: number): string => whole.format(value)
/** 1234567 as 1.2M. */
export const compact = (value: number): string => (value < 100_000 ? whole.format(value) : short.format(value))

export const rate = (perSecond: number): string => (perSecond >= 100 ? whole.format(perSecond) : perSecond.toFixed(perSecond >= 10 ? 1 : 2))

export const percent = (share: number, digits = 1): string => `${(share * 100).toFixed(digits)}%`

/** Seconds as people say them: 42 s, 3 min 20 s, 2 h 5 min, 3 d 4 h. */
export function duration(seconds: number): string {
  const total = Math.max(0, Math.round(seconds))
  if (total < 60) return `${total} s`
  if (total < 3600) return `${Math.floor(total / 60)} min ${total % 60} s`
  if (total < 86_400) return `${Math.floor(total / 3600)} h ${Math.floor((total % 3600) / 60)} min`
  return `${Math.floor(total / 86_400)} d ${Math.floor((total % 86_400) / 3600)} h`
}

export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let scaled = value
  let unit = 0
  while (scaled >= 1000 && unit < units.length - 1) {
    scaled /= 1000
    unit++
  }
  return `${scaled >= 100 || unit === 0 ? scaled.toFixed(0) : scaled.toFixed(1)} ${units[unit] ?? ''}`
}

/** How long ago, or the date where that is long. */
export function ago(time: string, now = Date.now()): string {
  const seconds = (now - Date.parse(time)) / 1000
  if (seconds < 10) return 'just now'
  if (seconds < 60) return `${Math.floor(seconds)} s ago`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`
  return new Date(time).toLocaleDateString('en', { day: 'numeric', month: 'short', year: 'numeric' })
}

/** `s3://bucket/some/long/prefix/` as its last two parts. */
export function shortPlace(place: string): string {
  const parts = place.replace(/\/+$/, '').split('/')
  return parts.length <= 3 ? place : `…/${parts.slice(-2).join('/')}`
}

export const dateTime = (time: string): string => new Date(time).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'medium' })
