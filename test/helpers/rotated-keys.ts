import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { radosgwAdmin } from '../../scripts/services/radosgw.mjs'

/**
 * Keys of a user of the test's S3 server, in a credentials file, as an operator rotates them: a new key is made and written, the old one
 * ends. Keys that the user has from elsewhere stay.
 */
export class RotatedKeys {
  private held: string | undefined
  /** How often the file's key was replaced. */
  rotations = 0

  /**
   * @param env of the server, with `LAYERMILL_RADOSGW`
   * @param uid user that exists
   * @param file credentials file, made or overwritten
   */
  constructor(
    private readonly env: Record<string, string>,
    private readonly uid: string,
    private readonly file: string,
  ) {}

  /** Rotates once. @param early whether the old key ends before the new one is written: requests are refused in between */
  async rotate(early = false): Promise<void> {
    const keys = { access: `key${randomBytes(6).toString('hex')}`, secret: randomBytes(12).toString('hex') }
    const old = this.held
    await this.admin('key', 'create', '--key-type=s3', `--access-key=${keys.access}`, `--secret=${keys.secret}`)
    if (early) await this.end()
    await writeFile(this.file, `[default]\naws_access_key_id = ${keys.access}\naws_secret_access_key = ${keys.secret}\n`)
    if (!early) await this.end()
    this.held = keys.access
    if (old !== undefined) this.rotations += 1
  }

  /** Ends the file's key on the server, though the file still has it. */
  async end(): Promise<void> {
    if (this.held !== undefined) await this.admin('key', 'rm', '--key-type=s3', `--access-key=${this.held}`)
    this.held = undefined
  }

  /** Environment of a process that signs with the file's keys. */
  get environment(): Record<string, string> {
    return { AWS_SHARED_CREDENTIALS_FILE: this.file, AWS_CONFIG_FILE: '/dev/null', AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' }
  }

  private admin(noun: string, verb: string, ...rest: string[]): Promise<unknown> {
    return radosgwAdmin(this.env, noun, verb, `--uid=${this.uid}`, ...rest)
  }
}
