import * as z from 'zod'

/** A whole number of a query, from `from` to `to` and of at most nine digits; `text` says what is expected. */
export const whole = (text: string, from: number, to: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, text)
    .transform(Number)
    .pipe(z.int().min(from, text).max(to, text))
