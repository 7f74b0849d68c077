import type { Notify, Promotion } from '@layermill/contracts'

/** Tells webhooks of what became the latest version of a model. */
export function promotionNotice(notify: Notify): (promotion: Promotion) => Promise<void> {
  return async ({ name, entry }) => {
    const { version, previous, by, reason, run, time } = entry
    await notify({ event: 'model.promoted', data: { name, version, previous, by, why: reason, run, promoted: time } })
  }
}
