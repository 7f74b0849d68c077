import { errorMessage, hasCredentials } from '@layermill/core'
import * as z from 'zod'

/** A flag's text that becomes the field's value. */
export function parsed<T>(parse: (value: string) => T) {
  return z
    .string()
    .max(4096)
    .transform((value, context): T => {
      try {
        return parse(value.trim())
      } catch (error) {
        context.issues.push({ code: 'custom', input: value, message: errorMessage(error) })
        return z.NEVER
      }
    })
}

export const whole = (from: number, to: number) =>
  z
    .int({ error: `a whole number from ${from} to ${to}` })
    .min(from)
    .max(to)

/** A path or URL. Credentials never belong to a spec: it is stored in run.json and shown on the dashboard. */
export const place = z
  .string({ error: 'a path or URL' })
  .min(1, 'a path or URL')
  .max(4096, 'a path or URL of at most 4096 characters')
  .refine(value => !/\p{Cc}/u.test(value), 'a path or URL without control characters')
  .refine(
    value => !hasCredentials(value),
    'a URL without credentials, in its query as well (give them by environment, profile or role; they never belong to a spec, which is stored and shown: fetch such a file first and name it)',
  )
  .refine(value => !/^s3:\/\//i.test(value) || !value.split('/').includes('..'), 'a place of a bucket without .. in it')

/** Left out where nothing is said, so that what was written before reads the same. */
export const optionalFlag = (description: string) => z.boolean({ error: 'true or false' }).optional().describe(description)
export const layerName = z.string().min(1).max(200)
export const flag = (description: string) => z.boolean({ error: 'true or false' }).default(false).describe(description)
export const choice = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, { error: `one of ${values.join(', ')}` })

/** Side of a square, in pixels. */
export const square = whole(1, 16384).transform(side => ({ width: side, height: side }))

export const share = (to: string) => z.number({ error: `a number from 0 up to ${to}` }).min(0)
export const positive = z.number({ error: 'a number above 0' }).positive('a number above 0').max(1e6, 'a number up to 1000000')
