/** A running S3 server and what a client needs to reach it. */
export interface S3Server {
  readonly endpoint: string
  /** `AWS_ENDPOINT_URL_S3`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`; `LAYERMILL_RADOSGW` for `radosgwAdmin`. */
  readonly env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

/**
 * Runs `radosgw-admin` on a server that `startRadosgw` started, and gives what it printed, read as JSON.
 * @param environment the server's `env`, or one that holds it
 */
export function radosgwAdmin(environment: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<unknown>

/** Starts Ceph's radosgw on a free loopback port in a temporary folder, installing Debian's packages where they are missing. */
export function startRadosgw(): Promise<S3Server>
