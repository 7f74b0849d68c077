/** Settings of the service. */
export interface UnitSettings {
  /** Program and first arguments, as absolute paths. */
  readonly command: readonly string[]
  readonly port: number
  readonly workers: number
  /** `$LAYERMILL_HOME`: the queue, schedules and weights. */
  readonly home: string
}

/** A word of a unit's line: quoted, with what systemd would replace (`%`, `$`, `\`) written so that it stays. */
function word(text: string): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%')
  return `"${escaped}"`
}

/** An argument of the command, in which `$` would begin a variable. */
const argument = (text: string): string => word(text).replaceAll('$', '$$$$')

/**
 * A systemd unit of `layermill serve`, without a line end. It is started again after a crash: runs go on where they were. Stopping gives
 * parts under way the time that `serve` takes to hand them back.
 */
export function systemdUnit({ command, port, workers, home }: UnitSettings): string {
  const args = [...command, '--port', String(port), '--workers', String(workers)]
  return `[Unit]
Description=Layermill: layers of image networks, at http://localhost:${port}
Documentation=http://localhost:${port}/docs
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=${args.map(argument).join(' ')}
Environment=${word(`LAYERMILL_HOME=${home}`)}
Restart=on-failure
RestartSec=5
KillMode=mixed
TimeoutStopSec=45
NoNewPrivileges=true

[Install]
WantedBy=default.target`
}
