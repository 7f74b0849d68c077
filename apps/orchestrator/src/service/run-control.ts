/** Somebody asked for the run's end. */
export class RunCancelled extends Error {
  constructor() {
    super('the run was cancelled')
    this.name = 'RunCancelled'
  }
}

/** Somebody asked for a pause: the run waits, with what it has, until it is resumed. */
export class RunPaused extends Error {
  constructor() {
    super('the run was paused')
    this.name = 'RunPaused'
  }
}

/** This process stops: another one goes on with the run. */
export class RunHandedBack extends Error {
  constructor() {
    super('the orchestrator is stopping')
    this.name = 'RunHandedBack'
  }
}

/** Another process may be at the run by now. */
export class RunLost extends Error {
  constructor(message = 'the lock of the run ran out: another orchestrator may be working on it') {
    super(message)
    this.name = 'RunLost'
  }
}

/** Whether a process may still work on a run whose lock it took. */
export class RunControl {
  private readonly abort = new AbortController()
  private readonly lockDuration: number
  private renewed = performance.now()

  /** `lockDuration` in milliseconds. The clock goes on while the process is frozen. */
  constructor(lockDuration: number) {
    this.lockDuration = lockDuration
  }

  get signal(): AbortSignal {
    return this.abort.signal
  }

  /** The lock was just renewed. */
  renew(): void {
    this.renewed = performance.now()
  }

  stop(reason: RunCancelled | RunPaused | RunHandedBack | RunLost): void {
    this.abort.abort(reason)
  }

  /** Stops for another one having changed the run's record. */
  lose(): RunLost {
    const lost = new RunLost('run.json was changed by another orchestrator, which is working on the run')
    this.stop(lost)
    return lost
  }

  /**
   * To be called before a write.
   * @throws RunLost where the lock may have run out: a tenth of its time is left for the write to arrive.
   */
  check(): void {
    if (performance.now() - this.renewed > this.lockDuration * 0.9) this.stop(new RunLost())
    if (this.abort.signal.reason instanceof RunLost) throw this.abort.signal.reason
  }
}
