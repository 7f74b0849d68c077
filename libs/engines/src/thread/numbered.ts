import { LayermillError } from '@layermill/core'

/** Values that a host holds for its clients, by numbers that cross the thread's border. No number is given twice. */
export class Numbered<Value> {
  private readonly values = new Map<number, Value>()
  private next = 0

  /** @param what for the error, as `extractor` */
  constructor(private readonly what: string) {}

  add(value: Value): number {
    const number = this.next++
    this.values.set(number, value)
    return number
  }

  /** @throws LayermillError `ENGINE_CLOSED` for one that has been taken out */
  get(number: number): Value {
    const value = this.values.get(number)
    if (value === undefined) throw new LayermillError('ENGINE_CLOSED', `this ${this.what} has been released`)
    return value
  }

  /** Takes one out; undefined where that was done before. */
  take(number: number): Value | undefined {
    const value = this.values.get(number)
    this.values.delete(number)
    return value
  }

  /** All that are held, which may be taken out meanwhile. */
  numbers(): number[] {
    return [...this.values.keys()]
  }
}
