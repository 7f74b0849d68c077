import { homedir, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { flagCount } from '@layermill/contracts'
import { layermillHome, writeAll, writeAtomically } from '@layermill/core'
import { mkdir } from 'node:fs/promises'
import type { Output } from '../../output/output.js'
import { systemdUnit } from './unit.js'

export interface UpOptions {
  readonly install?: boolean
  readonly port: string
  readonly workers: string
}

/** `layermill up`: `layermill serve` as a service of this user, printed or installed; it starts nothing by itself. */
export async function upCommand(output: Output, { install, port, workers }: UpOptions): Promise<void> {
  const unit = systemdUnit({
    command: [process.execPath, resolve(process.argv[1] ?? 'layermill'), 'serve'],
    port: flagCount('--port', port, 1, 65_535),
    workers: flagCount('--workers', workers, 1, 64),
    home: resolve(layermillHome()),
  })
  if (install !== true) return output.line(unit)
  const folder = join(process.env['XDG_CONFIG_HOME'] || join(homedir(), '.config'), 'systemd', 'user')
  const file = join(folder, 'layermill.service')
  await mkdir(folder, { recursive: true })
  await writeAtomically(file, handle => writeAll(handle, new TextEncoder().encode(`${unit}\n`)))
  output.line(file)
  output.note(
    `to start it:\n  systemctl --user daemon-reload && systemctl --user enable --now layermill\nto have it run while nobody is logged in:\n  loginctl enable-linger ${userInfo().username}\nits log:\n  journalctl --user -u layermill -f`,
  )
}
