export interface Nginx {
  /** Path of its program. */
  readonly path: string
  stop(): Promise<void>
}

/** Finds nginx, installing Debian's where there is none. */
export function findNginx(): Promise<Nginx>

/**
 * Starts nginx on a free loopback port.
 * @param locations `location` blocks of its configuration
 * @param program its path, where it is known
 */
export function startNginx(locations: string, program?: string): Promise<{ readonly url: string; stop(): Promise<void> }>
