export interface PostgresService {
  readonly url: string
  readonly port: number
  /** kill -9. */
  kill(): Promise<void>
  /** Ends it and starts it again on the same port and folder. */
  restart(): Promise<void>
  /** Ends it and removes its folder. */
  stop(): Promise<void>
}

/** Starts Debian's PostgreSQL on a free loopback port in a temporary folder, installing it where it is missing. */
export function startPostgres(): Promise<PostgresService>
