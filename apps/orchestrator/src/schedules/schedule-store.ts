import { randomUUID } from 'node:crypto'
import { parseStored, ScheduleHistory, ScheduleRecord, serializeJsonRecord } from '@layermill/contracts'
import { LayermillError } from '@layermill/core'
import { changeObject, requireExactSwaps, type Store } from '@layermill/storage'
import * as z from 'zod'

const State = z.object({ version: z.literal(1), id: z.string() })

const recordKey = (name: string): string => `schedules/${name}.json`
const historyKey = (name: string): string => `schedules/${name}.history.json`

/**
 * Schedules and their histories as files of a store, each replaced by compare and swap: any number of orchestrators may write at once.
 * They outlive the queue.
 */
export class ScheduleStore {
  constructor(readonly store: Store) {}

  /**
   * Identifier that tells this state from every other, also where it was moved. Made at the first call.
   * @throws LayermillError `STORE_CONDITIONS` where the place cannot hold schedules
   */
  async id(): Promise<string> {
    await requireExactSwaps(this.store, 'schedules')
    await this.store.put('state.json', serializeJsonRecord({ version: 1, id: randomUUID() } satisfies z.output<typeof State>), {
      ifAbsent: true,
    })
    const id = await this.knownId()
    if (id === undefined) throw new LayermillError('STORE_FAILED', `${this.store.url}/state.json was written and is not there`)
    return id
  }

  /** The id, or undefined where there is no state at this place. */
  async knownId(): Promise<string | undefined> {
    const bytes = await this.store.get('state.json')
    return bytes === undefined ? undefined : parseStored(State, bytes, `${this.store.url}/state.json`).id
  }

  async names(): Promise<string[]> {
    const names: string[] = []
    for await (const { key } of this.store.list('schedules/')) {
      const name = /^schedules\/([a-z0-9-]+)\.json$/.exec(key)?.[1]
      if (name !== undefined) names.push(name)
    }
    return names
  }

  async record(name: string): Promise<ScheduleRecord | undefined> {
    const bytes = await this.store.get(recordKey(name))
    return bytes === undefined ? undefined : parseStored(ScheduleRecord, bytes, `${this.store.url}/${recordKey(name)}`)
  }

  /** @returns false where a schedule of this name exists */
  async add(record: ScheduleRecord): Promise<boolean> {
    const { name } = record.schedule
    if ((await this.store.stat(recordKey(name))) !== undefined) return false
    // The history of an earlier schedule of this name belongs to that one.
    await this.store.delete(historyKey(name))
    return this.store.put(recordKey(name), serializeJsonRecord(record), { ifAbsent: true })
  }

  /** @returns the changed record, or undefined where there is none */
  async change(name: string, change: (record: ScheduleRecord) => ScheduleRecord): Promise<ScheduleRecord | undefined> {
    return this.swap(recordKey(name), ScheduleRecord, record => (record === undefined ? undefined : change(record)))
  }

  async remove(name: string): Promise<void> {
    await this.store.delete(recordKey(name))
    await this.store.delete(historyKey(name))
  }

  async history(name: string): Promise<ScheduleHistory> {
    const bytes = await this.store.get(historyKey(name))
    return bytes === undefined ? { version: 1, ticks: [] } : parseStored(ScheduleHistory, bytes, `${this.store.url}/${historyKey(name)}`)
  }

  /** Changes the history as it is at that moment; `change` may be called again with a newer one. Returns it as it then is. */
  async changeHistory(name: string, change: (history: ScheduleHistory) => ScheduleHistory): Promise<ScheduleHistory> {
    const changed = await this.swap(historyKey(name), ScheduleHistory, history => change(history ?? { version: 1, ticks: [] }))
    return changed!
  }

  private async swap<Schema extends z.ZodType<object>>(
    key: string,
    schema: Schema,
    change: (value: z.output<Schema> | undefined) => z.output<Schema> | undefined,
  ): Promise<z.output<Schema> | undefined> {
    const where = `${this.store.url}/${key}`
    return changeObject(
      this.store,
      key,
      bytes => {
        const value = bytes === undefined ? undefined : parseStored(schema, bytes, where)
        const changed = change(value)
        return changed === undefined ? undefined : { value: changed, text: changed === value ? undefined : serializeJsonRecord(changed) }
      },
      () => new LayermillError('STORE_BUSY', `${where} is written by others all the time`),
    )
  }
}
