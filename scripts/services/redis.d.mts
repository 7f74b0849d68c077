export interface RedisOptions {
  /** Keeps the data over `restart()`. */
  appendOnly?: boolean
  password?: string
  /** Default `noeviction`. */
  maxmemoryPolicy?: string
}

export interface RedisService {
  readonly url: string
  readonly port: number
  /** Answer of redis-cli. */
  command(...words: string[]): Promise<string>
  /** kill -9. */
  kill(): Promise<void>
  /** Ends it and starts it again on the same port and folder. */
  restart(): Promise<void>
  /** Ends it and removes its folder. */
  stop(): Promise<void>
}

/** Starts Debian's redis-server on a free loopback port in a temporary folder, installing it where it is missing. */
export function startRedis(options?: RedisOptions): Promise<RedisService>
