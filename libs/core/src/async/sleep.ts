/** A pause that may be ended early. One sleeps at a time; a wake while nobody does is forgotten. */
export class WakeableSleep {
  private release: () => void = () => undefined

  /** Ends the pause under way, if there is one. */
  wake(): void {
    this.release()
  }

  /** Pauses; true where so many milliseconds passed, false where it was woken. */
  async sleep(milliseconds: number): Promise<boolean> {
    const timedOut = await new Promise<boolean>(resolve => {
      const timer = setTimeout(() => resolve(true), milliseconds)
      this.release = () => {
        clearTimeout(timer)
        resolve(false)
      }
    })
    this.release = () => undefined
    return timedOut
  }
}
